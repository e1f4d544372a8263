#include "aws/secrets_manager.h"

#include <boost/json.hpp>

#include "aws/crypto.h"
#include "aws/json.h"
#include "base/encoding.h"

namespace mesh::aws {
namespace {

constexpr std::size_t kLargestAnswer = 512UL << 10;  // a value has at most 64 KiB, escaped
constexpr const char* kJson = "application/x-amz-json-1.1";

Result<const Region*> region_of(const std::string& arn) {
  const auto parts = parse_arn(arn);
  const Region* region = parts && parts->service == "secretsmanager" ? find_region(parts->region) : nullptr;
  if (region == nullptr || region->partition != parts->partition)
    return invalid("", "\"" + arn.substr(0, 200) + "\" is not the ARN of a secret in Secrets Manager");
  return region;
}

// "com.amazonaws.secretsmanager#ResourceNotFoundException" or without what stands before "#"
std::string code_of(const std::string& body) {
  boost::system::error_code problem;
  const auto document = boost::json::parse(body, problem);
  const auto* object = problem ? nullptr : document.if_object();
  const auto* type = object == nullptr ? nullptr : object->if_contains("__type");
  if (type == nullptr || !type->is_string()) return {};
  const std::string text(type->get_string());
  return text.substr(text.find('#') == std::string::npos ? 0 : text.find('#') + 1);
}

}  // namespace

Result<std::string> SecretsManager::call(const std::string& arn, const std::string& operation, std::string body) {
  MESH_TRY(const Region* region, region_of(arn));
  const Endpoint endpoint = secrets_manager_endpoint(*region);
  MESH_TRY(const KeyPair keys, keys_());
  SigningRequest signing{
      .method = "POST",
      .path = "/",
      .query = {},
      .headers = {{"Host", endpoint.host}, {"Content-Type", kJson}, {"X-Amz-Target", "secretsmanager." + operation}},
      .body = std::move(body)};
  auto request = signed_request(caller_, caller_.addresses.url_of("SECRETS_MANAGER", endpoint.host) + "/",
                                std::move(signing), &keys, {endpoint.signing_region, "secretsmanager"});
  MESH_TRY(wire::Response response, send(caller_, "Secrets Manager", std::move(request), kLargestAnswer));
  if (response.status == 200) return std::move(response.body);
  const std::string code = code_of(response.body);
  return error(error_kind(response.status, code), operation + " of " + arn +
                                                      ": AWS Secrets Manager answered with status " +
                                                      std::to_string(response.status) + ", " + clean_code(code));
}

Result<SecretValue> SecretsManager::get(const std::string& arn) {
  MESH_TRY(const std::string body,
           call(arn, "GetSecretValue", boost::json::serialize(boost::json::object{{"SecretId", arn}})));
  boost::system::error_code problem;
  const auto document = boost::json::parse(body, problem);
  const auto* object = problem ? nullptr : document.if_object();
  if (object == nullptr || text_at(*object, "ARN") != arn)
    return error(ErrorKind::Unavailable, "AWS Secrets Manager did not answer with the value of " + arn);
  SecretValue out{Secret(text_at(*object, "SecretString")), text_at(*object, "VersionId")};
  if (out.text.empty()) return error(ErrorKind::NotFound, arn + " holds no text");
  return out;
}

Status SecretsManager::put(const std::string& arn, const Secret& text, const std::string& version) {
  const boost::json::object given{{"SecretId", arn}, {"ClientRequestToken", version}, {"SecretString", text.reveal()}};
  MESH_RETURN_IF_ERROR(call(arn, "PutSecretValue", boost::json::serialize(given)));
  return {};
}

std::string version_after(std::string_view version) { return hex_encode(sha256("after " + std::string(version))); }

}  // namespace mesh::aws
