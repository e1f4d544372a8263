// Names in Route 53, whole: follows the store, waits until proxies listen for a new name, hands what is wanted to the
// publisher, and writes into statuses what became of it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <variant>

#include "base/mailbox.h"
#include "controllers/route53_names.h"
#include "controllers/route53_publisher.h"
#include "store/store.h"

namespace mesh {

class Route53Controller {
 public:
  // Calls `done`, on any thread, when the proxies of the mesh listen for everything up to the revision, or soon anyway.
  using WhenListenersAreOut =
      std::function<void(const std::string& mesh, Revision upto, std::move_only_function<void()> done)>;
  struct Needs {
    aws::Route53Api& api;
    Store& store;  // the leader's
    const Clock& clock;
    std::function<bool()> leads;
    std::function<std::uint64_t()> term;
    WhenListenersAreOut when_listeners_are_out;
  };
  Route53Controller(Route53NamesSettings names, Route53PublisherSettings publisher, Needs needs);
  ~Route53Controller();

  void start();
  void stop();  // and waits for a call that is under way; once
  Route53Figures figures() const { return publisher_.figures(); }

 private:
  struct Released {
    std::vector<Route53Names::NameKey> names;
  };
  using Event = std::variant<ChangeBatch, Route53Publisher::States, Released>;

  void run(std::stop_token stop);
  void follow(std::stop_token stop);
  void take(ChangeBatch batch);
  bool write_statuses();

  const Needs needs_;
  Route53Names names_;
  std::shared_ptr<Mailbox<Event>> events_ = std::make_shared<Mailbox<Event>>();  // the pipeline may call late
  Route53Publisher publisher_;
  bool led_ = false;
  std::jthread feed_, thread_;
};

}  // namespace mesh
