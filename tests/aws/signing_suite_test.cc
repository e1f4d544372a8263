// AWS's published test suite for Signature Version 4 against our signer. The suite is not part of this repository: it
// is the folder aws-signing-test-suite/v4 of the crate aws-sigv4. MESH_AWS_SIGNING_SUITE says where it lies; without it
// the test is skipped.
#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "aws/sigv4.h"
#include "base/files.h"

namespace mesh::aws {
namespace {

std::string text_of(const std::filesystem::path& file) {
  std::string text = read_file(file).value_or("");
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

// "GET /path?query HTTP/1.1", headers, an empty line, the body. A header may go on in lines that begin with a space.
SigningRequest read_request(std::string_view text) {
  SigningRequest request;
  const auto line_end = text.find('\n');
  std::string_view first = text.substr(0, line_end);
  const auto method_end = first.find(' ');
  request.method = std::string(first.substr(0, method_end));
  const std::string target(first.substr(method_end + 1, first.rfind(' ') - method_end - 1));
  const auto question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string::npos) request.query = target.substr(question + 1);
  text.remove_prefix(std::min(line_end, text.size() - 1) + 1);
  while (line_end != std::string_view::npos && !text.empty() && text.front() != '\n') {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.front() == ' ') {
      request.headers.back().second += "\n" + std::string(line);
    } else {
      const auto colon = line.find(':');
      request.headers.emplace_back(std::string(line.substr(0, colon)), std::string(line.substr(colon + 1)));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (text.starts_with('\n')) request.body = std::string(text.substr(1));
  // The date follows from the context.
  std::erase_if(request.headers, [](const auto& header) {
    return header.first.size() == 10 && (header.first[2] == 'A' || header.first[2] == 'a') &&
           header.first.ends_with("ate");
  });
  return request;
}

const char* suite() { return std::getenv("MESH_AWS_SIGNING_SUITE"); }

std::string text_in(const boost::json::object& object, const char* name) {
  return object.contains(name) ? std::string(object.at(name).as_string()) : std::string();
}

// Paths are encoded once in these cases.
TEST(SigningSuite, OfAwsIsPassed) {
  if (suite() == nullptr) GTEST_SKIP() << "MESH_AWS_SIGNING_SUITE does not say where the suite is";
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(suite())) {
    if (!std::filesystem::exists(entry.path() / "context.json")) continue;
    SCOPED_TRACE(entry.path().filename().string());
    const auto context = boost::json::parse(text_of(entry.path() / "context.json")).as_object();
    const auto& given = context.at("credentials").as_object();
    const auto flag = [&](const char* name) { return context.contains(name) && context.at(name).as_bool(); };
    const KeyPair keys{text_in(given, "access_key_id"), Secret(text_in(given, "secret_access_key")),
                       Secret(text_in(given, "token"))};
    const SigningOptions options{.normalize_path = flag("normalize"),
                                 .encode_path_twice = false,
                                 .add_content_sha256 = flag("sign_body"),
                                 .sign_session_token = !flag("omit_session_token")};
    const Signature signature = sign(read_request(text_of(entry.path() / "request.txt")), keys,
                                     {text_in(context, "region"), text_in(context, "service")},
                                     *parse_time(text_in(context, "timestamp")), options);
    EXPECT_EQ(signature.canonical_request, text_of(entry.path() / "header-canonical-request.txt"));
    EXPECT_EQ(signature.string_to_sign, text_of(entry.path() / "header-string-to-sign.txt"));
    EXPECT_EQ(signature.hex, text_of(entry.path() / "header-signature.txt"));
    ++cases;
  }
  EXPECT_GT(cases, 30);
}

// These come without keys: what would be signed is compared.
TEST(SigningSuite, OfPathsThatAreEncodedTwiceIsPassed) {
  if (suite() == nullptr) GTEST_SKIP() << "MESH_AWS_SIGNING_SUITE does not say where the suite is";
  for (const char* name : {"double-encode-path", "double-url-encode"}) {
    SCOPED_TRACE(name);
    const auto folder = std::filesystem::path(suite()) / name;
    const Signature signature = sign(read_request(text_of(folder / "request.txt")), {}, {"us-east-1", "service"},
                                     *parse_time("2021-05-11T15:40:45Z"));
    EXPECT_EQ(signature.canonical_request, text_of(folder / "header-canonical-request.txt"));
  }
}

}  // namespace
}  // namespace mesh::aws
