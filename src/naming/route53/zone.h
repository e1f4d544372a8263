// One hosted zone: what it holds as far as we know, what it should hold, and which call to make next. No network, no
// threads, no clock: the time and the answers go in, calls come out. One call is under way at a time.
//
//   check the zone → read it whole, once → then call only when something must change
//
// What changes while a batch is under way goes into the next one. A batch of which nobody knows whether it was applied
// is remembered: the epoch record, which each batch moves on, tells later. When Route 53 refuses a batch for a record
// that it names, that record is left out; when it names none, the batch is halved until the bad record stands alone.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "naming/route53/epoch.h"
#include "naming/route53/plan.h"

namespace mesh::route53 {

struct Timing {
  Duration refresh_interval = std::chrono::seconds(10);  // between attempts when retries did not help
  Duration retry_base_backoff = std::chrono::seconds(1);
  int retry_max_times = 2;
  int retry_jitter_percent = 20;
  // Records that an earlier control plane left and nobody wants now are kept so long: their services may be on their
  // way.
  Duration settle = std::chrono::seconds(30);
  Duration drift_scan_interval{};  // zero: never
  Duration scan_page_pause = std::chrono::seconds(2);
  std::function<double()> random;  // 0 to 1; none: no jitter
};

struct ZoneSettings {
  std::string zone_id;
  std::string domain;  // that must lie in the zone, as record_name() makes it; empty: any zone will do
  Writer writer;
  bool takes_over = false;  // whoever writes there: for a command of the operator
  std::uint32_t record_ttl = 60;
  Timing timing;
};

struct Moment {
  SteadyTime steady{};
  SystemTime wall{};
};

// How far a name has come.
struct NameState {
  enum class Kind {
    Waiting,   // to be published
    Accepted,  // Route 53 took it
    InSync,    // and all its servers have it
    Conflict,  // somebody else uses the name in the zone
    Refused,   // by us or by Route 53, and why
    Blocked,   // the zone cannot be written at all, and why
  };
  Kind kind = Kind::Waiting;
  std::string reason;
  SystemTime since{};

  friend bool operator==(const NameState&, const NameState&) = default;
};
std::string_view name_state_text(NameState::Kind kind);

struct ZoneFigures {
  std::size_t owned = 0, pending = 0, conflicts = 0, refused = 0, records = 0;
  std::uint64_t drifted = 0;  // records that somebody else had changed
  std::optional<SteadyTime> oldest_pending;
};

class Zone {
 public:
  explicit Zone(ZoneSettings settings);

  struct Call {
    enum class What { None, Check, ListPage, ReadName, Change, GetChange };
    What what = What::None;
    aws::RecordCursor from;                  // ListPage, ReadName
    std::vector<aws::RecordChange> changes;  // Change
    std::string change_id;                   // GetChange
  };

  // All names that this zone should hold, as record_name() makes them.
  void want(std::map<std::string, Desired> wanted, Moment now);
  // Whether the zone is left, for good or for now: then the epoch record goes too, once nothing else of ours is there.
  void leave(bool is_left) { is_leaving_ = is_left; }
  // The next call; its answer has to come before next() is asked again.
  Call next(Moment now);
  // When next() has something, after it had none. None: not before want().
  std::optional<SteadyTime> wake(Moment now) const;

  void on_checked(const aws::Route53Result<aws::HostedZone>& answer, Moment now);
  void on_page(const aws::Route53Result<aws::RecordPage>& answer, Moment now);  // ListPage, ReadName
  void on_change(const aws::Route53Result<aws::ChangeInfo>& answer, Moment now);
  void on_got_change(const aws::Route53Result<aws::ChangeInfo>& answer, Moment now);

  const ZoneSettings& settings() const { return settings_; }
  const std::string& name() const { return style_.zone_name; }  // empty: not known yet
  bool is_read() const { return phase_ == Phase::Ready; }
  // Nothing wanted, nothing held, nothing to do: it can be forgotten.
  bool is_done() const;
  const std::string& trouble() const { return trouble_; }  // why nothing can be written; empty: it can
  std::map<std::string, NameState> states() const;
  NameState state_of(const std::string& name) const;
  ZoneFigures figures() const;
  const Holdings& holdings() const { return holdings_; }
  const std::map<std::string, Desired>& wanted() const { return wanted_; }
  std::vector<std::string> take_notes();  // what the operator should read, once

 private:
  enum class Phase { Check, Read, Ready, StoodBack };
  struct Attempt {
    std::vector<aws::RecordChange> changes;  // without the epoch record
    std::optional<aws::RecordSet> epoch;     // as the batch leaves it; none: the batch removes it
    bool is_group = false;
  };
  struct Refusal {
    std::string reason;
    SystemTime since{};
    SteadyTime retry_at{};
    int times = 0;
  };
  struct Acceptance {
    SystemTime since{};
    std::uint64_t batch = 0;
    bool is_in_sync = false;
  };
  struct Scan {
    Holdings seen;
    aws::RecordCursor from;
    std::set<std::string> touched;  // by us since it began
  };

  // next()
  Call change_call(Moment now);
  std::vector<aws::RecordChange> group_changes();
  std::vector<aws::RecordChange> pending_changes(SteadyTime now);
  bool may_change_now(const std::string& name, SteadyTime now) const;
  bool is_held_back(const std::string& name, SteadyTime now) const;
  std::optional<aws::RecordChange> change_for(const std::string& name) const;
  aws::RecordSet next_epoch() const;

  // answers
  void on_listed(const aws::RecordPage& page, Moment now);
  void on_scanned(const aws::RecordPage& page, Moment now);
  void on_name_read(const aws::RecordPage& page, Moment now);
  void on_read_whole(Moment now);
  void on_epoch_read(const std::optional<aws::RecordSet>& record, Moment now);
  void judge_epoch(Moment now);
  void on_accepted(const Attempt& attempt, const aws::ChangeInfo& info, Moment now);
  void on_refused(const Attempt& attempt, const aws::Route53Failure& failure, Moment now);
  void refuse(const std::string& name, const std::string& reason, Moment now);
  void take_in(const std::string& name, const Holdings& seen, SteadyTime now);
  void back_off(Moment now);
  void block(std::string why, Moment now);
  void stand_back(std::string why, Moment now);
  void read_again();
  void mark_pending(const std::string& name, SteadyTime now) { pending_.emplace(name, now); }
  void note(std::string text) { notes_.push_back(std::move(text)); }

  const ZoneSettings settings_;
  RecordStyle style_;
  Phase phase_ = Phase::Check;
  std::string trouble_, blocked_by_;
  SystemTime trouble_since_{};
  SteadyTime not_before_{};
  int failures_ = 0;

  std::map<std::string, Desired> wanted_;
  std::map<std::string, std::string> unfit_;  // wanted names that the zone cannot hold, and why
  Holdings holdings_;
  aws::RecordCursor cursor_;
  Holdings reading_;
  std::map<std::string, SteadyTime> pending_;  // names that may need a change, since when
  std::map<std::string, Refusal> refused_;
  std::map<std::string, Acceptance> accepted_;
  std::set<std::string> found_;  // by the first reading, and not wanted since
  std::optional<SteadyTime> settled_at_;

  std::optional<Attempt> in_flight_;
  std::vector<Attempt> attempts_;                // outcome unknown
  std::deque<std::vector<std::string>> groups_;  // of a refused batch: one of each is bad
  std::set<std::string> grouped_;
  bool last_was_group_ = false;
  std::set<std::string> reread_;
  std::string reading_name_;
  bool verify_epoch_ = false, is_epoch_known_ = false;
  bool must_claim_ = false;  // somebody else wrote last
  bool has_claimed_ = false;
  bool is_leaving_ = false;

  std::optional<Scan> scan_;
  bool is_scanning_call_ = false;
  std::optional<SteadyTime> scan_at_;
  std::uint64_t drifted_ = 0;

  std::uint64_t batches_ = 0;
  std::string sync_id_;  // of the newest batch; empty: nothing to ask
  SteadyTime sync_at_{};
  Duration sync_pause_{};
  std::uint64_t sync_batch_ = 0;
  bool may_get_change_ = true;
  std::vector<std::string> notes_;
};

}  // namespace mesh::route53
