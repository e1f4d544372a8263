// What AWS has to do with comes from outside twice: proofs of roles from whoever can reach the port, and answers from
// whoever answers for AWS. What is understood of a proof is exactly what was written, and makes no request but the one
// that asks who signed it; what is understood of an answer is bounded.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "aws/iam.h"
#include "aws/identity_proof.h"
#include "aws/service.h"
#include "aws/sts.h"
#include "aws/xml.h"
#include "base/encoding.h"

namespace {

using namespace mesh;

void must(bool holds) {
  if (!holds) std::abort();
}

void try_proof(std::string_view text) {
  const auto proof = aws::parse_identity_proof(text);
  if (!proof) return;
  const auto request = aws::caller_identity_request(*proof);
  must(request.has_value());
  must(request->method == "POST" && request->body == "Action=GetCallerIdentity&Version=2011-06-15");
  const auto host = request->headers.find("host");
  must(host.has_value() && (host->ends_with(".amazonaws.com") || host->ends_with(".amazonaws.com.cn")));
  for (const auto& [name, value] : request->headers.all()) {
    for (const std::string& part : {name, value})
      must(part.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
}

std::size_t count(const aws::XmlElement& element, std::size_t depth) {
  must(depth <= aws::XmlLimits{}.depth);
  std::size_t elements = 1;
  for (const aws::XmlElement& child : element.children) elements += count(child, depth + 1);
  return elements;
}

void try_xml(std::string_view text) {
  const auto root = aws::parse_xml(text);
  if (!root) return;
  must(count(*root, 1) <= aws::XmlLimits{}.elements);
  (void)aws::read_caller_identity(*root);
  if (const auto role = aws::read_role(*root)) must(role->tags.size() <= aws::XmlLimits{}.elements);
}

void try_answer(std::string_view text) {
  wire::Response response{.status = text.size() % 2 == 0 ? 200 : 400, .headers = {}, .body = std::string(text)};
  response.headers.add("content-type", "text/xml");
  const auto answer = aws::read_query_answer("STS", response);
  // Of what it quotes nothing gets into a log but words.
  if (!answer) must(answer.error().message().find_first_of("<>\r\n") == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'p': try_proof(text); break;
    case 'j': try_proof("taskmesh-aws-1." + base64url_encode(text)); break;  // past the encoding at once
    case 'x': try_xml(text); break;
    default: try_answer(text);
  }
  return 0;
}
