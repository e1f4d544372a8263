#include "envoy/names.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include "base/encoding.h"

namespace mesh::envoy::names {

std::string join_host_port(std::string_view host, std::uint32_t port) {
  return host.find(':') == std::string_view::npos ? fmt::format("{}:{}", host, port)
                                                  : fmt::format("[{}]:{}", host, port);
}

std::string inbound_listener(std::string_view address, std::uint32_t port) {
  return "inbound:" + join_host_port(address, port);
}

std::string outbound_listener(std::string_view address, std::uint32_t port) {
  return "outbound:" + join_host_port(address, port);
}

std::string local_cluster(std::uint32_t service_port) { return fmt::format("localhost:{}", service_port); }

std::string inbound_route(std::string_view service) { return fmt::format("inbound:{}", service); }

std::string outbound_route(std::string_view service) { return fmt::format("outbound:{}", service); }

std::string identity_secret(std::string_view mesh) { return fmt::format("identity_cert:secret:{}", mesh); }

std::string ca_secret(std::string_view mesh) { return fmt::format("mesh_ca:secret:{}", mesh); }

std::string spiffe_id(std::string_view mesh, std::string_view service) {
  return fmt::format("spiffe://{}/{}", mesh, service);
}

std::string tag_id(std::string_view tag, std::string_view value) { return fmt::format("kuma://{}/{}", tag, value); }

std::string sni(std::string_view service, const std::map<std::string, std::string>& tags) {
  std::string list;
  for (const auto& [tag, value] : tags) list += fmt::format("{}{}={}", list.empty() ? "" : ",", tag, value);
  return list.empty() ? std::string(service) : fmt::format("{}{{{}}}", service, list);
}

std::string resource_sni(std::string_view name, std::string_view mesh, std::uint32_t port, std::string_view kind) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a: what tells names apart that are cut
  for (const char c : fmt::format("{};{};", name, mesh))
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  constexpr std::size_t kLongest = 62;  // of a label in DNS, with what shows that it was cut
  const auto cut = [](std::string_view text) {
    return text.size() > kLongest ? std::string(text.substr(0, kLongest)) + "x" : std::string(text);
  };
  return fmt::format("a{:016x}.{}.{}.{}.{}", hash, cut(name), port, cut(mesh), kind);
}

std::string split_cluster(std::string_view service, const std::map<std::string, std::string>& tags) {
  std::string text;
  for (const auto& [tag, value] : tags) text += tag + value;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return fmt::format("{}-{}", service, hex_encode({reinterpret_cast<const char*>(digest), 8}));
}

std::string for_statistics(std::string_view name) {
  std::string result(name);
  for (char& c : result) {
    const bool kept =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!kept) c = '_';
  }
  return result;
}

}  // namespace mesh::envoy::names
