// What a zone makes of the answers of Route 53.
#include <algorithm>

#include "naming/route53/record_names.h"
#include "naming/route53/zone.h"

namespace mesh::route53 {
namespace {

using Action = aws::RecordChange::Action;
using Failure = aws::Route53Failure;

constexpr std::size_t kMostRecords = 200'000, kUsualQuota = 10'000, kMostAttempts = 8;
constexpr std::uint32_t kLongNegativeTtl = 60;
constexpr Duration kFirstRefusal = std::chrono::minutes(1), kLongestRefusal = std::chrono::minutes(30);
constexpr Duration kFirstSyncLook = std::chrono::seconds(5), kLongestSyncLook = std::chrono::seconds(30);

}  // namespace

// Short pauses that grow, as often as the settings say; then a long one, and from the start again.
void Zone::back_off(Moment now) {
  const Timing& timing = settings_.timing;
  Duration pause = timing.refresh_interval;
  if (failures_ < timing.retry_max_times)
    pause = timing.retry_base_backoff * (1LL << std::min(failures_++, 10));
  else
    failures_ = 0;
  const double spread = (timing.random ? timing.random() * 2 - 1 : 0) * timing.retry_jitter_percent / 100;
  not_before_ = now.steady + pause + std::chrono::duration_cast<Duration>(pause * spread);
}

// Nothing can be done here for now: looked at again from the start, without haste.
void Zone::block(std::string why, Moment now) {
  if (blocked_by_ != why) {
    trouble_since_ = now.wall;
    note(why);
  }
  trouble_ = blocked_by_ = std::move(why);
  phase_ = Phase::Check;
  failures_ = 0;
  not_before_ = now.steady + settings_.timing.refresh_interval * 3;
}

void Zone::stand_back(std::string why, Moment now) {
  block(std::move(why), now);
  phase_ = Phase::StoodBack;
}

void Zone::read_again() {
  phase_ = Phase::Read;
  cursor_ = {};
  reading_ = {};
  attempts_.clear();
  scan_.reset();
  verify_epoch_ = false;
}

void Zone::on_checked(const aws::Route53Result<aws::HostedZone>& answer, Moment now) {
  const std::string shown = "hosted zone " + settings_.zone_id;
  if (!answer) {
    switch (answer.error().kind) {
      case Failure::Kind::NoSuchHostedZone: return block(shown + " does not exist", now);
      case Failure::Kind::AccessDenied:
        return block(shown + " may not be read: " + answer.error().text +
                         "; the control plane's role needs route53:GetHostedZone, route53:ListResourceRecordSets and "
                         "route53:ChangeResourceRecordSets on it",
                     now);
      default: trouble_ = answer.error().text; return back_off(now);
    }
  }
  failures_ = 0;
  const std::string name = record_name(answer->name);
  const std::string with_name = shown + " (" + shown_name(name) + ")";
  if (!answer->is_private) {
    return block(with_name +
                     " is public; names of the mesh stand for addresses on each task's loopback, so it must be a "
                     "private hosted zone",
                 now);
  }
  if (!settings_.domain.empty() && !is_in_zone(settings_.domain, name)) {
    return block(with_name + " does not hold the domain " + shown_name(settings_.domain) +
                     "; set KUMA_DNS_SERVER_DOMAIN to the zone's domain, or give the id of another zone",
                 now);
  }
  if (const Status owner = check_record_name(epoch_record_name(settings_.writer.owner, name)); !owner)
    return block("the name of the zone cannot be written into " + with_name + ": " + owner.error().message(), now);
  if (answer->records > kUsualQuota * 9 / 10)
    note(with_name + " has " + std::to_string(answer->records) +
         " records; AWS allows 10,000 unless more were granted");
  style_.zone_name = name;
  auto unfit = std::exchange(unfit_, {});
  want(std::exchange(wanted_, {}), now);  // which of them the zone cannot hold is known only now
  unfit_.merge(unfit);
  read_again();
}

void Zone::on_page(const aws::Route53Result<aws::RecordPage>& answer, Moment now) {
  if (!answer) {
    if (is_scanning_call_) {
      scan_.reset();
      scan_at_ = now.steady + settings_.timing.drift_scan_interval;
    }
    if (answer.error().kind == Failure::Kind::AccessDenied || answer.error().kind == Failure::Kind::NoSuchHostedZone)
      return block("the records of hosted zone " + settings_.zone_id + " cannot be read: " + answer.error().text, now);
    if (phase_ != Phase::Ready) trouble_ = answer.error().text;
    return back_off(now);
  }
  failures_ = 0;
  if (is_scanning_call_) return on_scanned(*answer, now);
  if (!reading_name_.empty()) return on_name_read(*answer, now);
  on_listed(*answer, now);
}

void Zone::on_listed(const aws::RecordPage& page, Moment now) {
  for (const aws::RecordSet& record : page.records) reading_.add(style_, record);
  if (reading_.records > kMostRecords)
    return block("hosted zone " + settings_.zone_id + " has more than " + std::to_string(kMostRecords) + " records",
                 now);
  if (page.next) {
    cursor_ = *page.next;
    return;
  }
  on_read_whole(now);
}

void Zone::on_read_whole(Moment now) {
  const bool is_first = !settled_at_;
  for (auto at = refused_.begin(); at != refused_.end();) {  // what was refused for what is different now may go
    const auto same = [&](const auto& before, const auto& after) {
      const auto b = before.find(at->first);
      const auto a = after.find(at->first);
      return (b == before.end()) == (a == after.end()) && (a == after.end() || b->second == a->second);
    };
    at = same(holdings_.ours, reading_.ours) && same(holdings_.foreign, reading_.foreign) ? std::next(at)
                                                                                          : refused_.erase(at);
  }
  holdings_ = std::move(reading_);
  reading_ = {};
  reread_.clear();
  groups_.clear();
  grouped_.clear();
  phase_ = Phase::Ready;
  trouble_.clear();
  for (const auto& [name, _] : wanted_) mark_pending(name, now.steady);
  for (const auto& [name, _] : holdings_.ours) {
    mark_pending(name, now.steady);
    if (is_first && !wanted_.contains(name)) found_.insert(name);
  }
  if (is_first) {
    settled_at_ = now.steady + settings_.timing.settle;
    if (holdings_.negative_ttl && *holdings_.negative_ttl > kLongNegativeTtl) {
      note("resolvers keep \"no such name\" of hosted zone " + settings_.zone_id + " (" + shown_name(style_.zone_name) +
           ") for " + std::to_string(*holdings_.negative_ttl) +
           " s, so a name that was asked for before it was there stays away that long; lower the "
           "last figure and the TTL of the zone's SOA record, to 5 for example");
    }
  }
  if (settings_.timing.drift_scan_interval > Duration::zero())
    scan_at_ = now.steady + settings_.timing.drift_scan_interval;
  judge_epoch(now);
}

// Whose zone is it? Whoever wrote last said so.
void Zone::judge_epoch(Moment now) {
  must_claim_ = false;
  if (!holdings_.epoch) return;
  const std::string name = shown_name(holdings_.epoch->name);
  const std::optional<Epoch> epoch = read_epoch(*holdings_.epoch);
  if (!epoch)
    return stand_back(
        "the TXT record " + name + " of hosted zone " + settings_.zone_id + " is not one that we write; remove it",
        now);
  const Writer& us = settings_.writer;
  const bool is_ours = epoch->store == us.store && epoch->instance == us.instance;
  if (settings_.takes_over || (is_ours && epoch->term <= us.term)) return;
  if (epoch->store != us.store) {
    if (has_claimed_) {
      return stand_back("another control plane, of another store, writes into hosted zone " + settings_.zone_id +
                            " for zone \"" + us.owner + "\" (instance " + epoch->instance +
                            "); give each deployment a name of its own (KUMA_MULTIZONE_ZONE_NAME) or a "
                            "hosted zone of its own, then restart this one",
                        now);
    }
    note("hosted zone " + settings_.zone_id +
         " was written by a control plane with another store; its records are taken over");
  } else if (epoch->term > us.term) {
    return stand_back(
        "a newer leader writes into hosted zone " + settings_.zone_id + " (instance " + epoch->instance + ")", now);
  }
  must_claim_ = true;
}

void Zone::take_in(const std::string& name, const Holdings& seen, SteadyTime now) {
  const auto move = [&](auto& into, const auto& from) {
    const auto found = from.find(name);
    const auto held = into.find(name);
    const bool same =
        (found == from.end()) == (held == into.end()) && (found == from.end() || found->second == held->second);
    if (found != from.end())
      into[name] = found->second;
    else if (held != into.end())
      into.erase(held);
    return !same;
  };
  const bool differs = move(holdings_.ours, seen.ours);
  if (!move(holdings_.foreign, seen.foreign) && !differs) return;
  refused_.erase(name);
  accepted_.erase(name);
  mark_pending(name, now);
}

void Zone::on_name_read(const aws::RecordPage& page, Moment now) {
  Holdings seen;
  for (const aws::RecordSet& record : page.records) seen.add(style_, record);
  if (reading_name_ == epoch_record_name(style_.owner, style_.zone_name)) return on_epoch_read(seen.epoch, now);
  reread_.erase(reading_name_);
  take_in(reading_name_, seen, now.steady);
}

void Zone::on_epoch_read(const std::optional<aws::RecordSet>& record, Moment now) {
  if (phase_ == Phase::StoodBack) {
    const std::optional<Epoch> epoch = record ? read_epoch(*record) : std::nullopt;
    const bool is_free =
        !record || (epoch && epoch->store == settings_.writer.store && epoch->term <= settings_.writer.term);
    if (is_free)
      read_again();
    else
      not_before_ = now.steady + settings_.timing.refresh_interval * 6;
    return;
  }
  verify_epoch_ = false;
  if (record == holdings_.epoch) {  // what was refused was refused for another reason
    is_epoch_known_ = true;
    return;
  }
  for (const Attempt& attempt : attempts_) {
    if (!(record == attempt.epoch)) continue;
    const Attempt applied = attempt;
    return on_accepted(applied, {}, now);
  }
  note("another control plane has written into hosted zone " + settings_.zone_id + "; it is read again");
  groups_.clear();
  grouped_.clear();
  read_again();
}

void Zone::on_change(const aws::Route53Result<aws::ChangeInfo>& answer, Moment now) {
  const Attempt attempt = std::move(*std::exchange(in_flight_, std::nullopt));
  if (answer) return on_accepted(attempt, *answer, now);
  const Failure& failure = answer.error();
  switch (failure.kind) {
    case Failure::Kind::Unreachable:
      attempts_.push_back(attempt);
      is_epoch_known_ = false;
      trouble_ = failure.text;
      trouble_since_ = now.wall;
      if (attempts_.size() >= kMostAttempts) read_again();
      return back_off(now);
    case Failure::Kind::Throttled:
    case Failure::Kind::PriorRequestNotComplete: return back_off(now);
    case Failure::Kind::AccessDenied:
    case Failure::Kind::NoSuchHostedZone:
      return block("hosted zone " + settings_.zone_id + " cannot be written: " + failure.text, now);
    case Failure::Kind::LimitsExceeded:
      // No room for more: what only changes or goes still can.
      note("hosted zone " + settings_.zone_id + " takes no more records: " + failure.text);
      for (const auto& change : attempt.changes)
        if (change.action == Action::Create) refuse(change.record.name, failure.text, now);
      return attempt.changes.empty() ? back_off(now) : void();
    case Failure::Kind::InvalidChangeBatch:
    case Failure::Kind::Other: break;
  }
  on_refused(attempt, failure, now);
}

void Zone::on_accepted(const Attempt& attempt, const aws::ChangeInfo& info, Moment now) {
  failures_ = 0;
  attempts_.clear();
  trouble_.clear();
  blocked_by_.clear();
  must_claim_ = false;
  has_claimed_ = true;
  ++batches_;
  apply(attempt.changes, style_, holdings_);
  holdings_.epoch = attempt.epoch;
  for (const auto& change : attempt.changes) {
    const std::string& name = change.record.name;
    refused_.erase(name);
    accepted_.erase(name);
    if (change.action != Action::Delete) accepted_[name] = {now.wall, batches_, info.is_in_sync};
    if (scan_) scan_->touched.insert(name);
    grouped_.erase(name);
    if (change_for(name)) {  // wanted otherwise meanwhile
      mark_pending(name, now.steady);
    } else {
      pending_.erase(name);
    }
  }
  if (attempt.is_group && !groups_.empty()) {
    // Names of it that found no room in the batch are pending still.
    for (const std::string& name : groups_.front()) grouped_.erase(name);
    groups_.pop_front();
  }
  sync_id_ = may_get_change_ && !info.is_in_sync ? info.id : std::string();
  sync_batch_ = batches_;
  sync_pause_ = kFirstSyncLook;
  sync_at_ = now.steady + sync_pause_;
}

void Zone::on_refused(const Attempt& attempt, const Failure& failure, Moment now) {
  const auto blamed = blamed_names(failure.messages);
  if (blamed.contains(epoch_record_name(style_.owner, style_.zone_name)) || (!attempts_.empty() && !is_epoch_known_) ||
      attempt.changes.empty()) {
    verify_epoch_ = true;
    return back_off(now);
  }
  bool is_narrowed = false;
  for (const auto& change : attempt.changes) {
    const auto reason = blamed.find(change.record.name);
    if (reason == blamed.end()) continue;
    refuse(change.record.name, reason->second, now);
    reread_.insert(change.record.name);
    is_narrowed = true;
  }
  if (is_narrowed) return;
  const auto unnamed = blamed.find("");
  const std::string why = unnamed == blamed.end() || unnamed->second.empty() ? failure.text : unnamed->second;
  if (attempt.changes.size() == 1) {
    refuse(attempt.changes.front().record.name, why, now);
    reread_.insert(attempt.changes.front().record.name);
    return;
  }
  if (attempt.is_group && !groups_.empty()) {
    for (const std::string& name : groups_.front()) grouped_.erase(name);
    groups_.pop_front();
  } else {
    verify_epoch_ = true;  // it is in every batch: were it the bad one, halving would never end well
  }
  std::vector<std::string> halves[2];
  for (std::size_t at = 0; at < attempt.changes.size(); ++at)
    halves[at < attempt.changes.size() / 2 ? 0 : 1].push_back(attempt.changes[at].record.name);
  for (auto& half : halves) {
    grouped_.insert(half.begin(), half.end());
    groups_.push_front(std::move(half));
  }
}

void Zone::refuse(const std::string& name, const std::string& reason, Moment now) {
  Refusal& refusal = refused_[name];
  const Duration pause = std::min<Duration>(kFirstRefusal * (1LL << std::min(refusal.times++, 10)), kLongestRefusal);
  if (refusal.reason != reason) refusal.since = now.wall;
  refusal.reason = reason;
  refusal.retry_at = now.steady + pause;
  accepted_.erase(name);
  if (grouped_.erase(name) > 0)
    for (auto& group : groups_) std::erase(group, name);
  note("Route 53 refuses " + shown_name(name) + " in hosted zone " + settings_.zone_id + ": " + reason);
}

void Zone::on_got_change(const aws::Route53Result<aws::ChangeInfo>& answer, Moment now) {
  if (!answer && (answer.error().kind == Failure::Kind::AccessDenied || answer.error().kind == Failure::Kind::Other)) {
    may_get_change_ = false;  // it is not granted: that a batch was accepted is all that can be known
    sync_id_.clear();
    return;
  }
  if (answer && answer->is_in_sync) {
    sync_id_.clear();
    for (auto& [_, acceptance] : accepted_)
      if (acceptance.batch <= sync_batch_) acceptance.is_in_sync = true;
    return;
  }
  sync_pause_ = std::min(sync_pause_ * 2, kLongestSyncLook);
  sync_at_ = now.steady + sync_pause_;
}

void Zone::on_scanned(const aws::RecordPage& page, Moment now) {
  for (const aws::RecordSet& record : page.records) scan_->seen.add(style_, record);
  if (page.next && scan_->seen.records <= kMostRecords) {
    scan_->from = *page.next;
    scan_at_ = now.steady + settings_.timing.scan_page_pause;
    return;
  }
  const Scan scan = std::move(*std::exchange(scan_, std::nullopt));
  scan_at_ = now.steady + settings_.timing.drift_scan_interval;
  std::set<std::string> names;
  for (const Holdings* held : {static_cast<const Holdings*>(&holdings_), &scan.seen}) {
    for (const auto& [name, _] : held->ours) names.insert(name);
    for (const auto& [name, _] : held->foreign) names.insert(name);
  }
  for (const std::string& name : names) {
    if (scan.touched.contains(name)) continue;
    const auto held = holdings_.ours.find(name);
    const auto seen = scan.seen.ours.find(name);
    const bool was = held != holdings_.ours.end(), is = seen != scan.seen.ours.end();
    if (was != is || (is && !(held->second == seen->second))) {
      ++drifted_;
      note("the record of " + shown_name(name) + " in hosted zone " + settings_.zone_id + " was " +
           (is ? "changed" : "removed") + " by somebody else; it is put right");
    }
    take_in(name, scan.seen, now.steady);
  }
  holdings_.records = scan.seen.records;
  if (scan.touched.empty() && !(scan.seen.epoch == holdings_.epoch)) verify_epoch_ = true;
}

}  // namespace mesh::route53
