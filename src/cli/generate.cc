// Tokens, from the control plane or with a signing key at hand; keys; certificates.
#include <arpa/inet.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <array>
#include <ostream>
#include <set>

#include "base/encoding.h"
#include "base/files.h"
#include "cli/commands.h"
#include "cli/key_file.h"
#include "identity/certificates.h"
#include "identity/tokens.h"

namespace mesh::cli {

namespace {

using boost::json::array;
using boost::json::object;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> out;
  std::size_t from = 0;
  while (true) {
    const auto end = text.find(separator, from);
    out.push_back(text.substr(from, end == std::string::npos ? end : end - from));
    if (end == std::string::npos) return out;
    from = end + 1;
  }
}

Result<Duration> valid_for(const TokenOptions& options) {
  auto duration = parse_duration(options.valid_for);
  if (!duration || *duration <= Duration::zero()) {
    return invalid("--valid-for",
                   fmt::format("is \"{}\"; must be a duration such as 24h, more than 0s", options.valid_for));
  }
  return *duration;
}

Status check_key_flags(const TokenOptions& options) {
  if (!options.signing_key_path.empty() && options.key_id.empty()) {
    return invalid("--kid", "is required when --signing-key-path is used");
  }
  if (options.signing_key_path.empty() && !options.key_id.empty()) {
    return invalid("--kid", "can be used only together with --signing-key-path");
  }
  return {};
}

template <class Claims>
Status sign_here(Session& session, const TokenOptions& options, const Claims& claims, Duration duration) {
  MESH_TRY(const KeyFile key, KeyFile::open(options.signing_key_path, options.key_id));
  MESH_TRY(const Secret token, TokenIssuer(key, session.terminal.clock).issue(claims, duration));
  session.terminal.out << token.reveal();
  return {};
}

Status ask_control_plane(Session& session, const char* path, const object& request, std::string_view what) {
  MESH_TRY(const Client client, session.open_client());
  const auto response = client.post(path, request);
  if (!response) {
    Error failed = response.error();
    failed.text = fmt::format("failed to generate a {} token: {}", what, failed.text);
    return failed;
  }
  session.terminal.out << response->body;
  return {};
}

array to_json(const std::vector<std::string>& texts) { return array(texts.begin(), texts.end()); }

Status write_or_show(Session& session, const std::string& path, const std::string& content, unsigned mode) {
  if (path == "-") {
    session.terminal.out << content;
    return {};
  }
  return write_file_atomically(path, content, mode);
}

bool is_address(const std::string& host) {
  std::array<unsigned char, 16> bytes{};
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 || inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

}  // namespace

Status generate_dataplane_token(Session& session, const TokenOptions& options) {
  MESH_RETURN_IF_ERROR(check_key_flags(options));
  MESH_TRY(const Duration duration, valid_for(options));
  if (!options.signing_key_path.empty()) {
    DataplaneClaims claims{options.name, options.mesh, {}, options.proxy_type, options.workload};
    for (const auto& [tag, list] : options.tags) {
      const auto values = split(list, ',');
      claims.tags[tag] = {values.begin(), values.end()};
    }
    return sign_here(session, options, claims, duration);
  }
  object tags;
  for (const auto& [tag, list] : options.tags) tags[tag] = to_json(split(list, ','));
  return ask_control_plane(session, "/tokens/dataplane",
                           {{"name", options.name},
                            {"mesh", options.mesh},
                            {"tags", std::move(tags)},
                            {"type", options.proxy_type},
                            {"workload", options.workload},
                            {"validFor", format_duration(duration)}},
                           "dataplane");
}

Status generate_zone_token(Session& session, const TokenOptions& options) {
  MESH_RETURN_IF_ERROR(check_key_flags(options));
  for (const auto& scope : options.scope) {
    if (scope != "ingress" && scope != "egress" && scope != "cp") {
      return invalid("--scope", fmt::format("is \"{}\"; may be ingress, egress or cp", scope));
    }
  }
  MESH_TRY(const Duration duration, valid_for(options));
  if (!options.signing_key_path.empty())
    return sign_here(session, options, ZoneClaims{options.zone, options.scope}, duration);
  return ask_control_plane(
      session, "/tokens/zone",
      {{"zone", options.zone}, {"scope", to_json(options.scope)}, {"validFor", format_duration(duration)}}, "zone");
}

Status generate_user_token(Session& session, const TokenOptions& options) {
  MESH_RETURN_IF_ERROR(check_key_flags(options));
  MESH_TRY(const Duration duration, valid_for(options));
  if (!options.signing_key_path.empty())
    return sign_here(session, options, User{options.name, options.groups}, duration);
  return ask_control_plane(
      session, "/tokens/user",
      {{"name", options.name}, {"groups", to_json(options.groups)}, {"validFor", format_duration(duration)}}, "user");
}

Status generate_tls_certificate(Session& session, const CertificateOptions& options) {
  if (options.type != "server" && options.type != "client") {
    return invalid("--type", fmt::format("is \"{}\"; may be server or client", options.type));
  }
  if (!options.key_type.empty() && options.key_type != "rsa" && options.key_type != "ecdsa") {
    return invalid("--key-type", fmt::format("is \"{}\"; may be rsa or ecdsa", options.key_type));
  }
  if (options.hostnames.empty()) return invalid("--hostname", "at least one is needed");
  CertificateRequest request{.common_name = options.hostnames.front(), .dns_names = {}, .ip_addresses = {}, .uris = {}};
  for (const auto& host : options.hostnames)
    (is_address(host) ? request.ip_addresses : request.dns_names).push_back(host);
  request.for_server = options.type == "server";
  request.for_client = options.type == "client";
  request.valid_for = std::chrono::hours(24 * 365 * 10);
  MESH_TRY(const KeyPair pair,
           make_self_signed(request, options.key_type == "rsa" ? KeyType::Rsa2048 : KeyType::EcdsaP256,
                            session.terminal.clock));
  MESH_RETURN_IF_ERROR(write_or_show(session, options.key_file, pair.key_pem.reveal(), 0400));
  MESH_RETURN_IF_ERROR(write_or_show(session, options.cert_file, pair.certificate_pem, 0600));
  if (options.key_file != "-" && options.cert_file != "-") {
    session.terminal.out << fmt::format("Private key saved in {}\nCertificate saved in {}\n", options.key_file,
                                        options.cert_file);
  }
  return {};
}

Status generate_signing_key(Session& session, const std::string& format) {
  if (format != "pem" && format != "pem-base64")
    return invalid("--format", fmt::format("is \"{}\"; may be pem or pem-base64", format));
  MESH_TRY(const Secret key, make_signing_key());
  session.terminal.out << (format == "pem" ? key.reveal() : base64_encode(key.reveal()));
  return {};
}

Status generate_public_key(Session& session, const std::string& signing_key_path) {
  MESH_TRY(std::string pem, read_file(signing_key_path, 1UL << 20));
  const Secret key(std::move(pem));
  MESH_TRY(const std::string public_pem, public_key_of(key));
  session.terminal.out << public_pem;
  return {};
}

}  // namespace mesh::cli
