#include "api/authentication.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

#include "admission/access.h"
#include "base/log.h"

namespace mesh::api {

namespace {

struct Authority {
  std::string host;  // lower case, addresses in their shortest form, no brackets
  int port = 0;
  friend bool operator==(const Authority&, const Authority&) = default;
};

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool same_name(std::string_view a, std::string_view b) { return lower(a) == lower(b); }

// The address in its shortest form, or nothing when it is none.
std::optional<std::string> canonical_address(const std::string& host) {
  std::array<unsigned char, 16> bytes{};
  std::array<char, INET6_ADDRSTRLEN> text{};
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, host.c_str(), bytes.data()) != 1) continue;
    return std::string(inet_ntop(family, bytes.data(), text.data(), text.size()));
  }
  return std::nullopt;
}

// "host", "host:port", "[::1]:port". Nothing when it is anything else, for instance when it holds a user name.
std::optional<Authority> parse_authority(std::string_view text, int default_port) {
  if (text.empty() || text.find_first_of("@/?#\\ \t%") != std::string_view::npos) return std::nullopt;
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (text.front() == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = text.substr(1, end - 1);
    const auto rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return std::nullopt;
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
    if (host.find(':') == std::string_view::npos) return std::nullopt;
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    has_port = true;
  }
  Authority out{lower(host), default_port};
  if (!out.host.empty() && out.host.back() == '.') out.host.pop_back();
  if (out.host.empty()) return std::nullopt;
  if (auto address = canonical_address(out.host)) out.host = std::move(*address);
  if (has_port) {
    const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (port.empty() || failed != std::errc{} || end != port.data() + port.size()) return std::nullopt;
  }
  if (out.port < 1 || out.port > 65535) return std::nullopt;
  return out;
}

bool is_loopback_name(const std::string& host) {
  if (host == "localhost" || host == "::1") return true;
  in_addr address{};
  if (inet_pton(AF_INET, host.c_str(), &address) == 1) return (ntohl(address.s_addr) >> 24) == 127;
  return host.starts_with("::ffff:127.");
}

std::vector<std::string_view> values_of(const wire::Headers& headers, std::string_view name) {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : headers.all()) {
    if (same_name(key, name)) values.push_back(value);
  }
  return values;
}

bool is_same_origin(std::string_view origin, std::string_view host) {
  int default_port = 0;
  if (origin.starts_with("http://")) default_port = 80;
  if (origin.starts_with("https://")) default_port = 443;
  if (default_port == 0) return false;
  const auto theirs = parse_authority(origin.substr(origin.find("//") + 2), default_port);
  const auto ours = parse_authority(host, default_port);
  return theirs && ours && *theirs == *ours && is_loopback_name(theirs->host);
}

std::optional<std::string_view> bearer_token(const wire::Headers& headers) {
  constexpr std::string_view kPrefix = "Bearer ";
  const auto value = headers.find("authorization");
  if (!value || !value->starts_with(kPrefix)) return std::nullopt;
  return value->substr(kPrefix.size());
}

}  // namespace

bool is_direct_loopback(const wire::Request& request) {
  if (!request.peer.is_loopback) return false;
  for (const char* name : {"forwarded", "x-forwarded-for", "x-real-ip"}) {
    if (!values_of(request.headers, name).empty()) return false;
  }
  const auto hosts = values_of(request.headers, "host");
  if (hosts.size() != 1) return false;
  const auto host = parse_authority(hosts.front(), 80);
  if (!host || !is_loopback_name(host->host)) return false;
  for (const auto site : values_of(request.headers, "sec-fetch-site")) {
    if (site != "same-origin" && site != "none") return false;
  }
  const auto origins = values_of(request.headers, "origin");
  return std::ranges::all_of(origins, [&](auto origin) { return is_same_origin(origin, hosts.front()); });
}

Result<User> authenticate(const wire::Request& request, const AuthenticationSettings& settings,
                          const TokenVerifier& verifier) {
  if (settings.localhost_is_admin && is_direct_loopback(request)) return with_authenticated_group(admin_user());
  if (const auto token = bearer_token(request.headers)) {
    auto user = verifier.verify_user(*token);
    if (user) return with_authenticated_group(std::move(*user));
    if (user.error().kind == ErrorKind::Unavailable) return user.error();
    MESH_LOG_INFO("api", "refused a user token from {}: {}", request.peer.address, user.error().message());
    return error(ErrorKind::Unauthenticated, "Unauthenticated");
  }
  // The server has verified it already; one that did not hold never came this far.
  if (settings.accept_client_certificates && !request.peer.client_certificate_pem.empty()) {
    return with_authenticated_group(admin_user());
  }
  return anonymous_user();
}

}  // namespace mesh::api
