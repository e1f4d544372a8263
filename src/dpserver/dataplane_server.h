// Everything that sidecars talk to, on one TLS port (5678): the bootstrap over HTTP/1.1 and HTTP/2, the discovery
// streams, the health stream of stock sidecars, and the report stream of our own sidecar manager. It decides who may come
// in and registers them; what a proxy should have comes from elsewhere, through ads().
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "ads/ads.h"
#include "base/clock.h"
#include "base/result.h"
#include "dpserver/liveness.h"
#include "identity/tokens.h"
#include "model/kind.h"
#include "store/store.h"
#include "wire/server.h"

namespace mesh {

class Admission;

// How a proxy proves who it is.
enum class ProxyAuthentication { None, DataplaneToken };

// What a bootstrap answer says beside what the sidecar asked for (KUMA_BOOTSTRAP_SERVER_PARAMS_*).
struct BootstrapParams {
  std::string admin_address = "127.0.0.1";
  std::uint32_t admin_port = 9901;             // of Dataplanes that name none
  std::string admin_access_log_path = "/dev/null";
  bool admin_unix_socket = true;               // in the sidecar's working directory, when it names one
  std::string xds_host;                        // empty: the host that the sidecar asked
  std::uint32_t xds_port = 5678;
  Duration xds_connect_timeout = std::chrono::seconds(1);
  std::string corefile_template_path;          // empty: none
  bool reloadable_tokens = false;              // Envoy reads the token's file anew, when the sidecar names one
};

// KUMA_DP_SERVER_HDS_*
struct HealthStreamSettings {
  bool enabled = true;
  Duration interval = std::chrono::seconds(5);  // how often Envoy reports; a change it reports at once
  Duration check_timeout = std::chrono::seconds(2);
  Duration check_interval = std::chrono::seconds(1);
  Duration check_no_traffic_interval = std::chrono::seconds(1);
  std::uint32_t healthy_threshold = 1;
  std::uint32_t unhealthy_threshold = 1;
};

struct DataplaneServerSettings {
  std::string address = "0.0.0.0";
  int port = 5678;  // 0: any free port; see port()
  // Both or none. None: a self-signed certificate, made at the first start and kept in `work_dir`.
  std::filesystem::path certificate_file, key_file;
  std::filesystem::path work_dir;
  std::vector<std::string> host_names;  // further names and addresses of a self-signed certificate
  Duration certificate_check_interval = std::chrono::seconds(5);  // changed files are taken over without a restart
  wire::TlsVersion min_tls_version = wire::TlsVersion::Tls12;
  std::string cipher_suites;
  wire::Limits limits;
  ProxyAuthentication authentication = ProxyAuthentication::DataplaneToken;
  BootstrapParams bootstrap;
  HealthStreamSettings health_stream;
  int workers = 4;                      // threads for what may wait for the store
  std::size_t max_waiting = 10'000;     // proxies that may wait for them; more are sent away, to come again
};

// What it needs of the house. All outlive it.
struct DataplaneServerNeeds {
  wire::EventLoop& loop;
  Store& store;
  Admission& admission;
  const KindRegistry& kinds;
  const SecretSource& secrets;
  const Clock& clock;
  AdsSink& ads_sink;
  LivenessSink& liveness_sink;
};

// Thread-safe. Destroy it after the event loop has stopped, and before what it needs.
class DataplaneServer {
 public:
  DataplaneServer(DataplaneServerSettings settings, DataplaneServerNeeds needs);
  ~DataplaneServer();

  // Opens the port. What is wrong with certificate, key or port is said with the setting's name.
  Status listen();
  int port() const;

  AdsServer& ads();
  // The Dataplane was changed by somebody else than its proxy: what its Envoy probes may have to change.
  void on_dataplane_changed(const ProxyId& proxy);
  // The certificate that sidecars verify this port by, as PEM.
  std::string certificate_pem() const;
  // Stops accepting, and lets what runs end for at most `grace`.
  void drain(Duration grace);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mesh
