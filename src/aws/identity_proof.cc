#include "aws/identity_proof.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "aws/crypto.h"
#include "base/encoding.h"

namespace mesh::aws {
namespace {

constexpr std::string_view kPrefix = "taskmesh-aws-1.";
constexpr std::string_view kBindingHeader = "X-Taskmesh-Binding";
constexpr std::string_view kContentType = "application/x-www-form-urlencoded; charset=utf-8";
constexpr std::string_view kBody = "Action=GetCallerIdentity&Version=2011-06-15";
constexpr std::string_view kSignedHeaders = "content-type;host;x-amz-date;x-amz-security-token;x-taskmesh-binding";
constexpr std::size_t kLongestProof = 16UL << 10, kLongestToken = 8UL << 10, kLongestName = 253;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

template <class Allowed>
bool consists_of(std::string_view text, std::size_t least, std::size_t most, Allowed allowed) {
  return text.size() >= least && text.size() <= most && std::all_of(text.begin(), text.end(), allowed);
}
bool is_audience(std::string_view text) {
  return consists_of(text, 1, kLongestName,
                     [](char c) { return is_lower(c) || is_digit(c) || c == '.' || c == '-' || c == ':' || c == '_'; });
}
bool is_name(std::string_view text, std::size_t least) {
  return consists_of(text, least, kLongestName, [](char c) {
    return is_lower(c) || is_upper(c) || is_digit(c) || c == '.' || c == '-' || c == '_';
  });
}
bool is_session_token(std::string_view text) {
  return consists_of(text, 1, kLongestToken, [](char c) {
    return is_lower(c) || is_upper(c) || is_digit(c) || c == '+' || c == '/' || c == '=';
  });
}
// Keys of users begin with AKIA; those of roles with ASIA.
bool is_temporary_key(std::string_view text) {
  return text.starts_with("ASIA") && consists_of(text, 16, 128, [](char c) { return is_upper(c) || is_digit(c); });
}
bool is_signature(std::string_view text) {
  return consists_of(text, 64, 64, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

Status check_claims(const ProofClaims& claims) {
  if (!is_audience(claims.audience)) return invalid("audience", "is no host name");
  if (!is_name(claims.mesh, 0)) return invalid("mesh", "is no name of a mesh");
  if (!is_name(claims.name, 1)) return invalid("name", "is no name of a proxy");
  if (claims.type != "dataplane" && claims.type != "ingress" && claims.type != "egress") {
    return invalid("type", "must be dataplane, ingress or egress");
  }
  return {};
}

// Lengths before the parts: no two different lists of claims give the same bytes.
std::string binding_of(const ProofClaims& claims) {
  std::string bytes;
  for (const std::string_view part :
       {std::string_view("taskmesh-identity-1"), std::string_view(claims.audience), std::string_view(claims.mesh),
        std::string_view(claims.name), std::string_view(claims.type)}) {
    const auto size = static_cast<std::uint32_t>(part.size());
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(static_cast<unsigned char>(size >> shift));
    bytes += part;
  }
  return hex_encode(sha256(bytes));
}

std::string print(const IdentityProof& proof) {
  const boost::json::object fields = {{"aud", proof.claims.audience},
                                      {"mesh", proof.claims.mesh},
                                      {"name", proof.claims.name},
                                      {"type", proof.claims.type},
                                      {"region", std::string(proof.region->name)},
                                      {"endpoint", std::string(sts_endpoint_name(proof.endpoint))},
                                      {"date", amz_date(proof.signed_at)},
                                      {"key", proof.access_key_id},
                                      {"token", proof.session_token.reveal()},
                                      {"sig", proof.signature.reveal()}};
  return std::string(kPrefix) + base64url_encode(boost::json::serialize(fields));
}

Result<IdentityProof> read(const boost::json::object& fields) {
  std::array<std::string, 10> values;
  constexpr std::array<std::string_view, 10> kNames = {"aud",      "mesh", "name", "type",  "region",
                                                       "endpoint", "date", "key",  "token", "sig"};
  if (fields.size() != kNames.size()) return invalid("proof", "does not have the fields of one");
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    const auto* value = fields.if_contains(kNames[i]);
    if (value == nullptr || !value->is_string()) return invalid(std::string(kNames[i]), "is missing or is no text");
    values[i] = std::string(value->get_string());
  }
  IdentityProof out;
  out.claims = {values[0], values[1], values[2], values[3]};
  MESH_RETURN_IF_ERROR(check_claims(out.claims));
  out.region = find_region(values[4]);
  if (out.region == nullptr) return invalid("region", "is no AWS region that is known here");
  const auto endpoint = parse_sts_endpoint(values[5]);
  if (!endpoint) return invalid("endpoint", "must be regional, global or fips");
  out.endpoint = *endpoint;
  MESH_RETURN_IF_ERROR(sts_endpoint(*out.region, out.endpoint));
  MESH_TRY(out.signed_at, parse_amz_date(values[6]));
  if (!is_temporary_key(values[7])) return invalid("key", "is not the access key of a role");
  if (!is_session_token(values[8])) return invalid("token", "is no session token");
  if (!is_signature(values[9])) return invalid("sig", "is no signature");
  out.access_key_id = std::move(values[7]);
  out.session_token = Secret(std::move(values[8]));
  out.signature = Secret(std::move(values[9]));
  return out;
}

}  // namespace

bool looks_like_identity_proof(std::string_view text) { return text.starts_with("taskmesh-aws-"); }

Result<Secret> make_identity_proof(const ProofClaims& claims, const KeyPair& keys, const Region& region,
                                   StsEndpoint endpoint, SystemTime now) {
  MESH_RETURN_IF_ERROR(check_claims(claims));
  if (!is_temporary_key(keys.access_key_id) || !is_session_token(keys.session_token.reveal())) {
    return invalid(
        "credentials",
        "are not those of a role: only the temporary keys of an IAM role prove an identity, not those of a user");
  }
  MESH_TRY(const Endpoint sts, sts_endpoint(region, endpoint));
  const SigningRequest request{.method = "POST",
                               .path = "/",
                               .query = {},
                               .headers = {{"Host", sts.host},
                                           {"Content-Type", std::string(kContentType)},
                                           {std::string(kBindingHeader), binding_of(claims)}},
                               .body = std::string(kBody)};
  IdentityProof proof{.claims = claims,
                      .region = &region,
                      .endpoint = endpoint,
                      .signed_at = now,
                      .access_key_id = keys.access_key_id,
                      .session_token = keys.session_token,
                      .signature = {}};
  proof.signature = Secret(sign(request, keys, {sts.signing_region, "sts"}, now).hex);
  return Secret(print(proof));
}

Result<IdentityProof> parse_identity_proof(std::string_view text) {
  if (text.size() > kLongestProof) return invalid("proof", "is too long");
  if (!text.starts_with(kPrefix)) return invalid("proof", "is not of a version that is known here");
  const auto json = base64url_decode(text.substr(kPrefix.size()));
  if (!json) return invalid("proof", "is not base64url");
  boost::system::error_code problem;
  const auto document = boost::json::parse(*json, problem);
  if (problem || !document.is_object()) return invalid("proof", "is not a JSON object");
  MESH_TRY(IdentityProof proof, read(document.get_object()));
  if (!equal_constant_time(print(proof), text))
    return invalid("proof", "is not written as one must be: its fields, in their order, and nothing else");
  return proof;
}

Result<wire::ClientRequest> caller_identity_request(const IdentityProof& proof) {
  MESH_TRY(const Endpoint sts, sts_endpoint(*proof.region, proof.endpoint));
  const std::string date = amz_date(proof.signed_at);
  wire::ClientRequest request;
  request.method = "POST";
  request.body = std::string(kBody);
  request.headers.add("Host", sts.host);
  request.headers.add("Content-Type", std::string(kContentType));
  request.headers.add("X-Amz-Date", date);
  request.headers.add("X-Amz-Security-Token", proof.session_token.reveal());
  request.headers.add(std::string(kBindingHeader), binding_of(proof.claims));
  request.headers.add(
      "Authorization",
      fmt::format("AWS4-HMAC-SHA256 Credential={}/{}/{}/sts/aws4_request, SignedHeaders={}, Signature={}",
                  proof.access_key_id, date.substr(0, 8), sts.signing_region, kSignedHeaders,
                  proof.signature.reveal()));
  return request;
}

std::string normal_audience(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.ends_with('.')) host.remove_suffix(1);
  std::string out(host);
  for (char& c : out) {
    if (is_upper(c)) c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace mesh::aws
