#include "dpserver/server_keys.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <system_error>

#include "base/files.h"
#include "base/log.h"
#include "identity/certificates.h"
#include "identity/server_certificate.h"

namespace mesh {
namespace {

constexpr std::size_t kMaxPem = 1UL << 20;
constexpr Duration kValidity = std::chrono::hours(24 * 365 * 10);

bool is_address(const std::string& text) {
  return text.find(':') != std::string::npos || text.find_first_not_of("0123456789.") == std::string::npos;
}

// Every address and name that sidecars may know this machine by.
CertificateRequest request_for_this_machine(const std::vector<std::string>& host_names) {
  CertificateRequest request;
  request.common_name = "taskmesh-cp";
  request.dns_names = {"localhost"};
  request.for_client = false;
  request.valid_for = kValidity;
  const auto add = [](std::vector<std::string>& list, const std::string& name) {
    if (!name.empty() && std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
  };
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) == 0) add(request.dns_names, name.data());
  ifaddrs* raw = nullptr;
  if (getifaddrs(&raw) == 0) {
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> interfaces(raw, freeifaddrs);
    for (const ifaddrs* at = raw; at != nullptr; at = at->ifa_next) {
      if (at->ifa_addr == nullptr) continue;
      const int family = at->ifa_addr->sa_family;
      if (family != AF_INET && family != AF_INET6) continue;
      std::array<char, NI_MAXHOST> text{};
      const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
      if (getnameinfo(at->ifa_addr, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) continue;
      const std::string address = text.data();
      if (address.find('%') == std::string::npos)
        add(request.ip_addresses, address);  // link-local ones are nobody's way to us
    }
  }
  for (const auto& host : host_names) add(is_address(host) ? request.ip_addresses : request.dns_names, host);
  return request;
}

Status make_keys(const std::filesystem::path& certificate, const std::filesystem::path& key,
                 const ServerKeyFiles& files, const Clock& clock) {
  MESH_TRY(const KeyPair made, make_self_signed(request_for_this_machine(files.host_names), KeyType::EcdsaP256, clock));
  std::error_code problem;
  std::filesystem::create_directories(certificate.parent_path(), problem);
  MESH_RETURN_IF_ERROR(write_file_atomically(key, made.key_pem.reveal(), 0600));
  MESH_RETURN_IF_ERROR(write_file_atomically(certificate, made.certificate_pem, 0644));
  MESH_LOG_INFO("dpserver", "made a self-signed certificate: {}", certificate.string());
  return {};
}

}  // namespace

std::pair<std::filesystem::path, std::filesystem::path> server_key_paths(const ServerKeyFiles& files) {
  if (!files.certificate.empty()) return {files.certificate, files.key};
  return {files.work_dir / "dp-server.crt", files.work_dir / "dp-server.key"};
}

Result<ServerKeys> load_server_keys(const ServerKeyFiles& files, const Clock& clock) {
  if (files.certificate.empty() != files.key.empty()) {
    return invalid("dpServer", "tlsCertFile and tlsKeyFile belong together; only one of them is set");
  }
  const auto [certificate, key] = server_key_paths(files);
  std::error_code problem;
  if (files.certificate.empty() &&
      (!std::filesystem::exists(certificate, problem) || !std::filesystem::exists(key, problem))) {
    MESH_RETURN_IF_ERROR(make_keys(certificate, key, files, clock));
  }
  ServerKeys keys;
  MESH_TRY(keys.certificate_pem, read_file(certificate, kMaxPem));
  MESH_TRY(std::string key_pem, read_file(key, kMaxPem));
  keys.key_pem = Secret(std::move(key_pem));
  if (auto good = check_key_pair(keys.certificate_pem, keys.key_pem, false); !good) {
    return with_context(std::move(good).error(), "reading " + certificate.string() + " and " + key.string());
  }
  return keys;
}

}  // namespace mesh
