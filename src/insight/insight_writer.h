// Carries what proxies reported into the store: events from any thread, rows in batches from a thread of its own. What
// people wait for (who is connected, who refused what) is there within a second, counters a little later, and who gets
// traffic as fast as the store can: the next control plane must know it. What cannot be written is kept until it can.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/mailbox.h"
#include "insight/insight_book.h"
#include "store/store.h"

namespace mesh {

struct InsightWriterSettings {
  InsightSettings book;
  Duration at_once = std::chrono::milliseconds(20);  // between two batches, when the next control plane must know
  Duration soon = std::chrono::seconds(1);           // the same, when somebody waits
  Duration later = std::chrono::seconds(10);         // when only counters changed
  // For proxies to come back after the start, or to another control plane when theirs has gone.
  Duration leftovers = std::chrono::seconds(40);
  // Other control planes that share the store, and whether it is this one that closes what dead ones left open.
  std::function<std::set<std::string>()> others = [] { return std::set<std::string>(); };
  std::function<bool()> leads = [] { return true; };
};

class InsightWriter {
 public:
  InsightWriter(InsightWriterSettings settings, Store& store, const Clock& clock);
  ~InsightWriter();  // writes what waits

  // Reads what an earlier control plane left. Returns the proxies that were connected and live.
  Result<std::vector<ProxyId>> load();

  using Event = std::move_only_function<void(InsightBook&, SystemTime now)>;
  void tell(Event event);  // thread-safe

  void start();
  // Without a thread: takes what waits and writes what is due. Returns when the next batch is due.
  std::optional<SteadyTime> step();
  void flush();  // writes everything that changed, due or not

 private:
  void run(std::stop_token stop);
  std::optional<SteadyTime> take(std::vector<Event> events);
  void write(InsightBook::Rows rows);
  Duration pause(Urgency urgency) const;
  SteadyTime due(Urgency urgency) const;

  const InsightWriterSettings settings_;
  Store& store_;
  const Clock& clock_;
  InsightBook book_;
  Mailbox<Event> events_;
  std::array<SteadyTime, 4> last_written_;  // by urgency
  std::optional<SteadyTime> close_leftovers_at_;
  bool is_failing_ = false;  // the store takes nothing
  std::jthread thread_;
};

}  // namespace mesh
