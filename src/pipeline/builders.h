// The builder pool: does the work that the writer thread schedules for proxies, each proxy at most once at a time and
// at most once waiting, always from the newest picture.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/mailbox.h"
#include "base/published.h"
#include "pipeline/certificates.h"
#include "pipeline/proxy.h"

namespace mesh {

// How configuration is made: a ConfigBuilder's two functions.
struct BuildsConfig {
  std::function<std::shared_ptr<const ProxyConfig>(const MeshSnapshot&, const std::string& dataplane,
                                                   const ProxyTraits&, std::vector<std::string>* warnings,
                                                   const ProxyConfig* before)>
      build;
  std::function<std::shared_ptr<const ProxyConfig>(const ProxyConfig& before, const MeshSnapshot&,
                                                   const std::string& dataplane, const ProxyTraits&, const Touched&,
                                                   std::vector<std::string>* warnings)>
      rebuild;

  static BuildsConfig with(const ConfigBuilder& builder);  // which must outlive it
};

using SendOffer = std::function<void(StreamId, Offer)>;

// What came of one piece of work.
struct BuildReport {
  ProxyId proxy;
  Turn turn = 0;
  std::uint64_t number = 0;
  bool has_secrets = false, has_services = false;
  std::optional<ProxyCertificate> certificate;  // made just now
  bool has_dataplane = true;                    // false: not in the picture, yet or any more
  std::string problem;                          // why it kept what it had; empty: nothing is wrong
};

struct BuilderCounters {
  std::uint64_t full_builds = 0;
  std::uint64_t partial_builds = 0;  // only of what was touched
  std::uint64_t secret_builds = 0;   // alone
  std::uint64_t offers = 0;          // given to a stream
  std::uint64_t unchanged = 0;       // built, and the same as before: nothing was offered
};

class Builders {
 public:
  Builders(BuildsConfig builder, Certificates& certificates, const Published<Snapshot>& snapshot, SendOffer send,
           std::function<void(BuildReport)> report);
  ~Builders();  // stop()

  void start(int threads);
  void stop();  // ends the threads; what waits is dropped
  // From the writer thread.
  void schedule(const std::shared_ptr<Proxy>& proxy, const Work& work, Turn turn);
  // Without threads: does everything that waits. Returns how much that was.
  std::size_t run_waiting();

  BuilderCounters counters() const;

 private:
  void run(std::stop_token stop);
  void work_on(const std::shared_ptr<Proxy>& proxy);
  BuildReport build(Proxy& proxy, const Work& work, Turn turn);
  BuildReport build_zone_proxy(Proxy& proxy, Turn turn);
  static void tell(Proxy& proxy, std::vector<std::string> warnings);
  void offer(Proxy& proxy, Built next, BuildReport& report);

  const BuildsConfig builder_;
  Certificates& certificates_;
  const Published<Snapshot>& snapshot_;
  const SendOffer send_;
  const std::function<void(BuildReport)> report_;
  Mailbox<std::shared_ptr<Proxy>> waiting_;
  struct Counts {
    std::atomic<std::uint64_t> full{0}, partial{0}, secrets{0}, offers{0}, unchanged{0};
  } counts_;
  std::vector<std::jthread> threads_;
};

}  // namespace mesh
