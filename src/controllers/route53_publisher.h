// Publishes names in Route 53, on a thread of its own: calls to AWS wait for the network. What is wanted comes in as a
// whole, as often as it changes; how far each name has come goes out. Only the leader calls; an instance that becomes
// the leader reads every zone anew, and what one that was the leader has still under way changes nothing any more (see
// naming/route53/epoch.h).
//
// AWS takes 5 requests per second from an account, whoever makes them: calls keep a distance that leaves room for
// others, and a longer one while AWS throttles. One call is under way at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "aws/route53.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "naming/route53/zone.h"

namespace mesh {

struct WantedRecord {
  std::string zone_id;  // "Z123" or "/hostedzone/Z123"
  std::string hostname;
  std::string address;
  std::string owner;  // who wants it, in words

  friend bool operator==(const WantedRecord&, const WantedRecord&) = default;
};

struct Route53PublisherSettings {
  route53::Writer writer;  // its term is asked for anew with each leadership
  std::uint32_t record_ttl = 60;
  route53::Timing timing;
  // A zone that is checked and read even when nothing is wanted in it, and the domain that it must hold.
  std::string zone_id, domain;
  Duration call_pause = std::chrono::milliseconds(300);
  Duration longest_call_pause = std::chrono::seconds(5);
};

struct Route53Figures {
  std::map<std::string, std::uint64_t> calls;     // by operation
  std::map<std::string, std::uint64_t> failures;  // by kind
  std::uint64_t throttles = 0;
  std::map<std::string, route53::ZoneFigures> zones;  // by id
};

class Route53Publisher {
 public:
  using NameKey = std::pair<std::string, std::string>;  // id of the hosted zone, record name
  using States = std::map<NameKey, route53::NameState>;
  struct Needs {
    aws::Route53Api& api;
    const Clock& clock;
    std::function<bool()> leads;          // whether it is this control plane's turn
    std::function<std::uint64_t()> term;  // of the leadership, see Writer
    std::function<void(States)> report;   // states that changed. Called on the publisher's thread
  };
  Route53Publisher(Route53PublisherSettings settings, Needs needs);
  ~Route53Publisher();

  // All records that should be there. Thread-safe. Nothing is called before the first time.
  void want(std::vector<WantedRecord> records);
  void start();
  void stop();  // and waits for a call that is under way; once
  // Without a thread: at most one call. Returns when it has something to do again; none: not before want().
  std::optional<SteadyTime> step();

  Route53Figures figures() const;  // thread-safe

 private:
  void run(std::stop_token stop);
  std::optional<SteadyTime> turn(std::vector<std::vector<WantedRecord>> wants);
  void take(const std::vector<WantedRecord>& records);
  route53::Zone& zone(const std::string& id);
  bool call_one(SteadyTime& wake);
  bool call(route53::Zone& zone);
  void count(std::string_view operation, const aws::Route53Failure* failure);
  void report();
  route53::Moment moment() const { return {needs_.clock.steady(), needs_.clock.now()}; }

  const Route53PublisherSettings settings_;
  const Needs needs_;
  std::map<std::string, std::unique_ptr<route53::Zone>> zones_;
  std::vector<WantedRecord> wanted_;
  bool knows_wants_ = false, led_ = false;
  std::string last_called_;  // zones take turns
  SteadyTime next_call_{};
  Duration call_pause_;
  States reported_;
  States unfit_;  // of records whose zone is none

  mutable std::mutex figures_mutex_;
  Route53Figures figures_;
  Mailbox<std::vector<WantedRecord>> wants_;
  std::jthread thread_;
};

}  // namespace mesh
