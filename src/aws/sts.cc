#include "aws/sts.h"

namespace mesh::aws {
namespace {

constexpr const char* kVersion = "2011-06-15";
constexpr const char* kSpace = "https://sts.amazonaws.com/doc/2011-06-15/";

Error untrusted(const std::string& what) {
  return error(ErrorKind::Unavailable, "the answer of AWS STS cannot be trusted: " + what);
}

// <ActionResponse><ActionResult>…</ActionResult><ResponseMetadata/></ActionResponse>
Result<const XmlElement*> result_of(const XmlElement& root, const std::string& action) {
  if (root.name != action + "Response" || root.space != kSpace) return untrusted("it is no answer to " + action);
  for (const XmlElement& element : root.children) {
    if (element.name != action + "Result" && element.name != "ResponseMetadata")
      return untrusted("it has more than one result");
  }
  auto result = root.child(action + "Result");
  if (!result) return untrusted(result.error().message());
  return result;
}

std::vector<std::pair<std::string, std::string>> form_of(const std::string& action, const RoleToAssume& role) {
  std::vector<std::pair<std::string, std::string>> form = {
      {"Action", action},
      {"Version", kVersion},
      {"RoleArn", role.role_arn},
      {"RoleSessionName", role.session_name.empty() ? "taskmesh" : role.session_name},
      {"DurationSeconds", std::to_string(std::chrono::duration_cast<std::chrono::seconds>(role.duration).count())}};
  if (!role.external_id.empty()) form.emplace_back("ExternalId", role.external_id);
  return form;
}

Result<Credentials> read_credentials(const XmlElement& root, const std::string& action, const std::string& source) {
  MESH_TRY(const XmlElement* result, result_of(root, action));
  MESH_TRY(const XmlElement* keys, result->child("Credentials"));
  Credentials out;
  out.source = source;
  MESH_TRY(out.keys.access_key_id, keys->text_of("AccessKeyId"));
  MESH_TRY(std::string secret, keys->text_of("SecretAccessKey"));
  MESH_TRY(std::string token, keys->text_of("SessionToken"));
  MESH_TRY(const std::string expires, keys->text_of("Expiration"));
  MESH_TRY(out.expires, parse_time(expires));
  out.keys.secret_access_key = Secret(std::move(secret));
  out.keys.session_token = Secret(std::move(token));
  if (out.keys.access_key_id.empty() || out.keys.secret_access_key.empty() || out.keys.session_token.empty())
    return untrusted("keys are missing");
  return out;
}

}  // namespace

Result<CallerIdentity> read_caller_identity(const XmlElement& root) {
  MESH_TRY(const XmlElement* result, result_of(root, "GetCallerIdentity"));
  CallerIdentity out;
  for (const auto& [name, value] : {std::pair{"Arn", &out.arn}, {"UserId", &out.user_id}, {"Account", &out.account}}) {
    auto text = result->text_of(name);
    if (!text) return untrusted(text.error().message());
    *value = std::move(*text);
  }
  if (result->children.size() != 3) return untrusted("there is more in the result than belongs there");
  return out;
}

Result<Credentials> assume_role(const Caller& caller, const Endpoint& endpoint, const KeyPair& keys,
                                const RoleToAssume& role) {
  MESH_TRY(const XmlElement root, call_query(caller, {"STS", "sts", endpoint, form_of("AssumeRole", role)}, &keys));
  MESH_TRY(Credentials out, read_credentials(root, "AssumeRole", "the assumed role " + role.role_arn));
  out.role_arn = role.role_arn;
  return out;
}

Result<Credentials> assume_role_with_web_identity(const Caller& caller, const Endpoint& endpoint,
                                                  const RoleToAssume& role, const Secret& token) {
  auto form = form_of("AssumeRoleWithWebIdentity", role);
  form.emplace_back("WebIdentityToken", token.reveal());
  MESH_TRY(const XmlElement root, call_query(caller, {"STS", "sts", endpoint, std::move(form)}, nullptr));
  MESH_TRY(Credentials out, read_credentials(root, "AssumeRoleWithWebIdentity", "the web identity"));
  out.role_arn = role.role_arn;
  return out;
}

}  // namespace mesh::aws
