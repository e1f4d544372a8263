// Everything that sidecars talk to, on one TLS port (5678): the bootstrap over HTTP/1.1 and HTTP/2, the discovery
// streams, the health stream of stock sidecars, and the report stream of our own sidecar manager. It decides who may
// come in and registers them; what a proxy should have comes from elsewhere, through ads().
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ads/ads.h"
#include "base/clock.h"
#include "base/result.h"
#include "dpserver/bootstrap_service.h"
#include "dpserver/health_messages.h"
#include "dpserver/liveness.h"
#include "identity/aws_authority.h"
#include "identity/tokens.h"
#include "model/kind.h"
#include "store/store.h"
#include "wire/server.h"

namespace mesh {

class Admission;

// How a proxy proves who it is.
enum class ProxyAuthentication { None, Token, AwsIam };

struct AwsDoorSettings {
  AwsAuthoritySettings authority;
  std::set<std::string> audiences;  // further names that proxies may know us by, beside those of the certificate
  aws::ChainNeeds needs;
  Duration recheck_interval = std::chrono::seconds(10);
};

struct DataplaneServerSettings {
  std::string address = "0.0.0.0";
  int port = 5678;  // 0: any free port; see port()
  // Both or none. None: a self-signed certificate, made at the first start and kept in `work_dir`.
  std::filesystem::path certificate_file, key_file;
  std::filesystem::path work_dir;
  std::vector<std::string> host_names;  // further names and addresses of a self-signed certificate
  wire::TlsVersion min_tls_version = wire::TlsVersion::Tls12;
  std::string cipher_suites;
  // Smaller than elsewhere: it is read before it is known who it is from, and a Dataplane has at most 1 MiB.
  wire::Limits limits{.max_body_bytes = 2UL << 20, .max_message_bytes = 4UL << 20};
  ProxyAuthentication authentication = ProxyAuthentication::Token, zone_authentication = ProxyAuthentication::Token;
  std::string zone = "default";  // of this control plane
  TokenTrusts token_trusts;
  std::optional<AwsDoorSettings> aws;  // for AwsIam, of whichever
  BootstrapParams bootstrap;
  HealthStreamSettings health_stream;
  int workers = 16;                  // threads for what waits for the store; concurrent writes share a sync
  int aws_workers = 32;              // threads for what waits for AWS: so many calls are under way at most
  std::size_t max_waiting = 10'000;  // proxies that may wait for them; more are sent away, to come again
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
  // What proving IAM roles came to; none: nobody proves one.
  std::optional<AwsAuthorityCounts> aws_counts() const;
  // The certificate that sidecars verify this port by, as PEM.
  std::string certificate_pem() const;
  // Takes no new connections, and sends the proxies to another control plane, one after the other within `grace`;
  // `done` is called when the last one has left, or after that time. What is said of them meanwhile is not that they
  // are gone.
  void drain(Duration grace, std::function<void()> done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mesh
