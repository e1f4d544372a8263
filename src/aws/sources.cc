#include "aws/sources.h"

#include <boost/json.hpp>

#include "aws/json.h"
#include "aws/sts.h"
#include "base/files.h"

namespace mesh::aws {
namespace {

constexpr Duration kLocalTimeout = std::chrono::seconds(2);
constexpr int kLocalTries = 3;
constexpr std::size_t kLargestLocalAnswer = 64UL << 10;
constexpr const char* kEcsHost = "http://169.254.170.2";

bool has_line_break(std::string_view text) { return text.find_first_of("\r\n") != std::string_view::npos; }

// Whom keys may be fetched from over plain HTTP: this machine, and the agents of ECS and EKS on its own link.
bool may_be_plain(std::string_view url) {
  const auto end = url.find_first_of("/?#", 7);
  std::string_view authority = url.substr(7, end == std::string_view::npos ? end : end - 7);
  if (authority.find('@') != std::string_view::npos) return false;
  const auto port = authority.starts_with('[') ? authority.find(':', authority.find(']')) : authority.find(':');
  const std::string_view host = authority.substr(0, port);
  const bool is_loopback_v4 =
      host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
  return is_loopback_v4 || host == "localhost" || host == "[::1]" || host == "169.254.170.2" ||
         host == "169.254.170.23" || host == "[fd00:ec2::23]";
}

Result<std::string> container_url(const Environment& environment) {
  if (const std::string relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); !relative.empty()) {
    if (!relative.starts_with('/')) return invalid("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "must begin with /");
    return kEcsHost + relative;
  }
  const std::string full = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (full.starts_with("https://") || (full.starts_with("http://") && may_be_plain(full))) return full;
  return invalid(
      "AWS_CONTAINER_CREDENTIALS_FULL_URI",
      "is \"" + full + "\"; plain HTTP may be used only to loopback, 169.254.170.2, 169.254.170.23 and fd00:ec2::23");
}

// Read anew at each use: the agent replaces the file.
Result<std::string> container_authorization(const Environment& environment) {
  std::string token = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  std::string where = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
  if (const std::string path = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !path.empty()) {
    where += "_FILE";
    auto content = read_file(path, 64UL << 10);
    if (!content) return with_context(std::move(content).error(), "reading " + where);
    token = std::move(*content);
  }
  if (has_line_break(token)) return invalid(where, "has a line break in it");
  return token;
}

Result<std::string> ask_instance(const ChainNeeds& needs, const std::string& method, const std::string& path,
                                 std::pair<std::string, std::string> header) {
  std::string base = needs.environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (base.empty()) base = "http://169.254.169.254";
  while (base.ends_with('/')) base.pop_back();
  wire::ClientRequest request;
  request.method = method;
  request.url = base + path;
  request.headers.add(std::move(header.first), std::move(header.second));
  return fetch_local(needs.caller, std::move(request), "the EC2 instance metadata");
}

Result<std::string> instance_token(const ChainNeeds& needs) {
  MESH_TRY(std::string token,
           ask_instance(needs, "PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds", "21600"}));
  if (token.empty() || has_line_break(token))
    return error(ErrorKind::Unavailable, "the EC2 instance metadata gave no usable token");
  return token;
}

bool may_ask_instance(const ChainNeeds& needs) {
  const std::string disabled = needs.environment.get("AWS_EC2_METADATA_DISABLED");
  return disabled != "true" && disabled != "TRUE" && disabled != "True" && !is_in_ecs_task(needs.environment);
}

}  // namespace

Result<std::string> fetch_local(const Caller& caller, wire::ClientRequest request, const std::string& what) {
  request.timeout = kLocalTimeout;
  request.max_response_bytes = kLargestLocalAnswer;
  Error last = error(ErrorKind::Unavailable, what + " was not asked");
  for (int i = 0; i < kLocalTries; ++i) {
    auto response = caller.fetch(request);
    if (!response) {
      last = with_context(std::move(response).error(), "asking " + what);
      last.kind = ErrorKind::Unavailable;
      continue;
    }
    if (response->status == 200) return std::move(response->body);
    last = error(response->status == 404 ? ErrorKind::NotFound : ErrorKind::Unavailable,
                 what + " answered with status " + std::to_string(response->status));
    if (response->status / 100 == 4 && response->status != 429) break;
  }
  return last;
}

Result<Credentials> parse_credentials_json(std::string_view body, const std::string& source) {
  const auto wrong = [&](const char* what) {
    return error(ErrorKind::Unavailable, source + " gave no usable credentials: " + what);
  };
  boost::system::error_code problem;
  const auto document = boost::json::parse(body, problem);
  const auto* object = problem ? nullptr : document.if_object();
  if (object == nullptr) return wrong("the answer is not a JSON object");
  Credentials out;
  out.source = source;
  out.keys.access_key_id = text_at(*object, "AccessKeyId");
  out.keys.secret_access_key = Secret(text_at(*object, "SecretAccessKey"));
  out.keys.session_token = Secret(text_at(*object, "Token"));
  out.role_arn = text_at(*object, "RoleArn");
  if (out.keys.access_key_id.empty() || out.keys.secret_access_key.empty()) return wrong("there are no keys in it");
  if (const std::string expires = text_at(*object, "Expiration"); !expires.empty()) {
    const auto time = parse_time(expires);
    if (!time) return wrong("their end (Expiration) cannot be read");
    out.expires = *time;
  }
  return out;
}

Found load_from_environment(const ChainNeeds& needs) {
  const Environment& environment = needs.environment;
  Credentials out;
  out.source = "the environment (AWS_ACCESS_KEY_ID)";
  out.keys.access_key_id = environment.get("AWS_ACCESS_KEY_ID");
  out.keys.secret_access_key = Secret(environment.get("AWS_SECRET_ACCESS_KEY"));
  out.keys.session_token = Secret(environment.get("AWS_SESSION_TOKEN"));
  if (out.keys.access_key_id.empty() && out.keys.secret_access_key.empty()) return std::optional<Credentials>();
  if (out.keys.access_key_id.empty() || out.keys.secret_access_key.empty()) {
    return invalid("AWS_ACCESS_KEY_ID", "and AWS_SECRET_ACCESS_KEY go together; only one of them is set");
  }
  return std::optional(std::move(out));
}

Found load_from_web_identity(const ChainNeeds& needs) {
  const std::string file = needs.environment.get("AWS_WEB_IDENTITY_TOKEN_FILE");
  const std::string role = needs.environment.get("AWS_ROLE_ARN");
  if (file.empty() || role.empty()) return std::optional<Credentials>();
  auto token = read_file(file, 64UL << 10);
  if (!token) return with_context(std::move(token).error(), "reading AWS_WEB_IDENTITY_TOKEN_FILE");
  MESH_TRY(const Region* region, find_own_region(needs));
  MESH_TRY(const Endpoint endpoint, sts_endpoint(*region, preferred_sts_endpoint(needs.environment)));
  MESH_TRY(Credentials out,
           assume_role_with_web_identity(
               needs.caller, endpoint,
               {.role_arn = role, .session_name = needs.environment.get("AWS_ROLE_SESSION_NAME"), .external_id = {}},
               Secret(std::move(*token))));
  return std::optional(std::move(out));
}

Found load_from_container(const ChainNeeds& needs) {
  if (!needs.environment.has("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") &&
      !needs.environment.has("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
    return std::optional<Credentials>();
  }
  wire::ClientRequest request;
  MESH_TRY(request.url, container_url(needs.environment));
  MESH_TRY(const std::string authorization, container_authorization(needs.environment));
  if (!authorization.empty()) request.headers.add("authorization", authorization);
  const std::string source = "the container's credential endpoint";
  MESH_TRY(const std::string body, fetch_local(needs.caller, std::move(request), source));
  MESH_TRY(Credentials out, parse_credentials_json(body, source));
  return std::optional(std::move(out));
}

Found load_from_instance(const ChainNeeds& needs) {
  if (!may_ask_instance(needs)) return std::optional<Credentials>();
  MESH_TRY(const std::string token, instance_token(needs));
  const std::pair<std::string, std::string> header{"X-aws-ec2-metadata-token", token};
  const std::string folder = "/latest/meta-data/iam/security-credentials/";
  MESH_TRY(const std::string role, ask_instance(needs, "GET", folder, header));
  if (!is_role_name(role)) return error(ErrorKind::NotFound, "the EC2 instance has no role");
  MESH_TRY(const std::string body, ask_instance(needs, "GET", folder + role, header));
  MESH_TRY(Credentials out, parse_credentials_json(body, "the EC2 instance metadata"));
  return std::optional(std::move(out));
}

Result<std::string> instance_region(const ChainNeeds& needs) {
  if (!may_ask_instance(needs)) return std::string();
  MESH_TRY(const std::string token, instance_token(needs));
  return ask_instance(needs, "GET", "/latest/meta-data/placement/region", {"X-aws-ec2-metadata-token", token});
}

}  // namespace mesh::aws
