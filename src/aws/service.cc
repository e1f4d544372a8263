#include "aws/service.h"

#include <algorithm>

#include "base/files.h"

namespace mesh::aws {
namespace {

constexpr std::size_t kLargestAnswer = 256UL << 10;
constexpr const char* kForm = "application/x-www-form-urlencoded; charset=utf-8";

bool is_loopback_url(std::string_view url) {
  for (const std::string_view host : {"http://127.", "http://localhost", "http://[::1]"}) {
    if (!url.starts_with(host)) continue;
    const auto end = url.substr(7).find_first_of("/?#");
    return url.substr(7, end).find('@') == std::string_view::npos &&
           (host != "http://localhost" || url.size() == host.size() || url[host.size()] == ':' ||
            url[host.size()] == '/');
  }
  return false;
}

Status check_url(const std::string& variable, const std::string& url) {
  if (url.starts_with("https://") || is_loopback_url(url)) return {};
  return invalid(variable,
                 "is \"" + url +
                     "\"; must be an https:// URL: what AWS answers decides who may come in, so it may come over "
                     "plain HTTP only from this machine");
}

bool is_one_of(const std::string& code, std::initializer_list<std::string_view> codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

// It asks us to slow down.
bool is_throttled(int status, const std::string& code) {
  return status == 429 || code.contains("Throttl") ||
         is_one_of(code, {"RequestLimitExceeded", "TooManyRequestsException", "SlowDown"});
}

// <ErrorResponse><Error><Code>…; anything else that is not 200 has no code.
std::string code_of(const std::string& body) {
  const auto root = parse_xml(body, {.bytes = kLargestAnswer});
  if (!root || root->name != "ErrorResponse") return {};
  const auto* problem = root->find("Error");
  const auto code = problem == nullptr ? Result<std::string>(std::string()) : problem->text_of("Code");
  return code ? *code : std::string();
}

}  // namespace

ErrorKind error_kind(int status, const std::string& code) {
  const auto is = [&](std::initializer_list<std::string_view> codes) { return is_one_of(code, codes); };
  if (status / 100 != 4 || is_throttled(status, code) || is({"PriorRequestNotComplete", "IDPCommunicationError"}))
    return ErrorKind::Unavailable;
  if (is({"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "SignatureDoesNotMatch",
          "IncompleteSignature", "MissingAuthenticationToken", "RequestExpired", "InvalidIdentityToken",
          "UnrecognizedClientException", "InvalidSignatureException"})) {
    return ErrorKind::Unauthenticated;
  }
  if (is({"AccessDenied", "AccessDeniedException", "OptInRequired"}) || status == 403 || status == 401)
    return ErrorKind::Denied;
  if (is({"ResourceExistsException"})) return ErrorKind::Conflict;
  if (is({"NoSuchEntity", "NoSuchHostedZone", "ResourceNotFoundException"}) || status == 404)
    return ErrorKind::NotFound;
  return ErrorKind::Invalid;
}

std::string clean_code(const std::string& code) {
  const bool good = !code.empty() && code.size() <= 64 && std::all_of(code.begin(), code.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.';
  });
  return good ? code : "an error without a code";
}

Result<Addresses> Addresses::from(const Environment& environment) {
  Addresses out;
  if (environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") != "true") {
    for (const std::string service : {"STS", "IAM", "ROUTE_53", "ROUTE53", "SECRETS_MANAGER", ""}) {
      const std::string variable = service.empty() ? "AWS_ENDPOINT_URL" : "AWS_ENDPOINT_URL_" + service;
      std::string url = environment.get(variable);
      if (url.empty()) continue;
      MESH_RETURN_IF_ERROR(check_url(variable, url));
      while (url.ends_with('/')) url.pop_back();
      out.urls_[service == "ROUTE53" ? "ROUTE_53" : service] = url;
    }
  }
  if (const std::string bundle = environment.get("AWS_CA_BUNDLE"); !bundle.empty()) {
    auto pem = read_file(bundle, 4UL << 20);
    if (!pem) return with_context(std::move(pem).error(), "reading AWS_CA_BUNDLE");
    out.ca_pem_ = std::move(*pem);
  }
  return out;
}

std::string Addresses::url_of(const std::string& service, const std::string& host) const {
  for (const std::string& name : {service, std::string()}) {
    if (const auto found = urls_.find(name); found != urls_.end()) return found->second;
  }
  return "https://" + host;
}

wire::ClientRequest signed_request(const Caller& caller, std::string url, SigningRequest signing, const KeyPair* keys,
                                   const SigningScope& scope) {
  wire::ClientRequest request;
  request.method = signing.method;
  request.url = std::move(url);
  for (const auto& [name, value] : signing.headers) request.headers.add(name, value);
  if (keys != nullptr) {
    const Signature signature = sign(signing, *keys, scope, caller.clock->now());
    for (const auto& [name, value] : signature.headers) request.headers.add(name, value);
  }
  request.body = std::move(signing.body);
  return request;
}

Result<wire::Response> send(const Caller& caller, const std::string& service, wire::ClientRequest request,
                            std::size_t largest_answer) {
  request.tls.ca_pem = caller.addresses.ca_pem();
  request.timeout = caller.timeout;
  request.max_response_bytes = largest_answer;
  const std::string url = request.url;
  auto response = caller.fetch(std::move(request));
  if (response) return response;
  return error(ErrorKind::Unavailable,
               "AWS " + service + " cannot be reached at " + url + ": " + response.error().message());
}

Result<XmlElement> call_query(const Caller& caller, const QueryCall& call, const KeyPair* keys) {
  SigningRequest signing{.method = "POST", .path = "/", .query = {}, .headers = {}, .body = form_encode(call.form)};
  signing.headers = {{"Host", call.endpoint.host}, {"Content-Type", kForm}};
  auto request = signed_request(caller, caller.addresses.url_of(call.service, call.endpoint.host) + "/",
                                std::move(signing), keys, {call.endpoint.signing_region, call.signing_service});
  return send_query(caller, call.service, call.form.empty() ? std::string() : call.form.front().second,
                    std::move(request));
}

Result<XmlElement> send_query(const Caller& caller, const std::string& service, const std::string& operation,
                              wire::ClientRequest request) {
  const SteadyTime begin = caller.clock->steady();
  const auto count = [&](CallResult result) {
    if (caller.counters) caller.counters->note(operation, result, caller.clock->steady() - begin);
  };
  auto response = send(caller, service, std::move(request), kLargestAnswer);
  if (!response) {
    count(CallResult::Unavailable);
    return response.error();
  }
  auto answer = read_query_answer(service, *response);
  if (answer)
    count(CallResult::Ok);
  else if (answer.error().kind != ErrorKind::Unavailable)
    count(CallResult::Refused);
  else
    count(is_throttled(response->status, code_of(response->body)) ? CallResult::Throttled : CallResult::Unavailable);
  return answer;
}

Result<XmlElement> read_query_answer(const std::string& service, const wire::Response& response) {
  if (response.status != 200) {
    const std::string code = code_of(response.body);
    return error(error_kind(response.status, code), "AWS " + service + " answered with status " +
                                                        std::to_string(response.status) + ", " + clean_code(code));
  }
  const auto type = response.headers.find("content-type").value_or("");
  if (type != "text/xml" && !type.starts_with("text/xml;")) {
    return error(ErrorKind::Unavailable, "AWS " + service + " did not answer with XML");
  }
  auto root = parse_xml(response.body, {.bytes = kLargestAnswer});
  if (!root)
    return error(ErrorKind::Unavailable,
                 "AWS " + service + " answered with XML that cannot be trusted: " + root.error().message());
  return root;
}

}  // namespace mesh::aws
