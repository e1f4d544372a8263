#include "naming/route53/zone.h"

#include <algorithm>

#include "naming/route53/record_names.h"

namespace mesh::route53 {
namespace {

using What = Zone::Call::What;
using Action = aws::RecordChange::Action;

constexpr std::size_t kMostNamesReadAlone = 10;

}  // namespace

std::string_view name_state_text(NameState::Kind kind) {
  switch (kind) {
    case NameState::Kind::Waiting: return "waiting";
    case NameState::Kind::Accepted: return "accepted";
    case NameState::Kind::InSync: return "in sync";
    case NameState::Kind::Conflict: return "conflict";
    case NameState::Kind::Refused: return "refused";
    case NameState::Kind::Blocked: return "blocked";
  }
  return "waiting";
}

Zone::Zone(ZoneSettings settings) : settings_(std::move(settings)) {
  style_.owner = settings_.writer.owner;
  style_.ttl = settings_.record_ttl;
}

void Zone::want(std::map<std::string, Desired> wanted, Moment now) {
  unfit_.clear();
  for (auto at = wanted.begin(); at != wanted.end();) {
    Status fit = check_record_name(at->first);
    if (fit) fit = check_record_address(at->second.address);
    if (fit && !style_.zone_name.empty() && !is_in_zone(at->first, style_.zone_name))
      fit = invalid("hostname", "does not lie in the hosted zone, which is " + shown_name(style_.zone_name));
    if (fit) {
      ++at;
      continue;
    }
    unfit_[at->first] = fit.error().message();
    at = wanted.erase(at);
  }
  // Both in order of names: one walk finds what differs.
  const auto differs = [&](const std::string& name) {
    mark_pending(name, now.steady);
    refused_.erase(name);
  };
  auto old = wanted_.begin();
  auto fresh = wanted.begin();
  while (old != wanted_.end() || fresh != wanted.end()) {
    if (fresh == wanted.end() || (old != wanted_.end() && old->first < fresh->first)) {
      differs((old++)->first);
    } else if (old == wanted_.end() || fresh->first < old->first) {
      differs(fresh->first);
      found_.erase((fresh++)->first);
    } else {
      if (old->second.address != fresh->second.address) differs(fresh->first);
      ++old, ++fresh;
    }
  }
  wanted_ = std::move(wanted);
}

std::optional<aws::RecordChange> Zone::change_for(const std::string& name) const {
  const auto wanted = wanted_.find(name);
  return change_of(style_, name, wanted == wanted_.end() ? nullptr : &wanted->second, holdings_);
}

bool Zone::is_held_back(const std::string& name, SteadyTime now) const {
  return settled_at_ && now < *settled_at_ && found_.contains(name);
}

bool Zone::may_change_now(const std::string& name, SteadyTime now) const {
  if (grouped_.contains(name) || is_held_back(name, now)) return false;
  const auto refusal = refused_.find(name);
  return refusal == refused_.end() || now >= refusal->second.retry_at;
}

std::vector<aws::RecordChange> Zone::group_changes() {
  std::vector<aws::RecordChange> out;
  while (!groups_.empty() && out.empty()) {
    for (const std::string& name : groups_.front()) {
      if (auto change = change_for(name)) out.push_back(std::move(*change));
    }
    if (!out.empty()) break;
    for (const std::string& name : groups_.front()) grouped_.erase(name);
    groups_.pop_front();
  }
  // Wants may have grown it beyond a batch since; what does not fit comes later.
  return take_batch(out, kBatchLimit);
}

std::vector<aws::RecordChange> Zone::pending_changes(SteadyTime now) {
  std::vector<aws::RecordChange> corrections, creations, removals;
  for (auto at = pending_.begin(); at != pending_.end();) {
    const std::string& name = at->first;
    auto change = change_for(name);
    if (!change) {
      at = pending_.erase(at);
      continue;
    }
    ++at;
    if (!may_change_now(change->record.name, now)) continue;
    auto& list = change->action == Action::Upsert   ? corrections
                 : change->action == Action::Create ? creations
                                                    : removals;
    list.push_back(std::move(*change));
  }
  // What leads astray is put right first, then what is missing; what nobody needs any more can wait.
  corrections.insert(corrections.end(), creations.begin(), creations.end());
  corrections.insert(corrections.end(), removals.begin(), removals.end());
  return take_batch(corrections, kBatchLimit);
}

aws::RecordSet Zone::next_epoch() const {
  const std::optional<Epoch> held = holdings_.epoch ? read_epoch(*holdings_.epoch) : std::nullopt;
  Epoch out{settings_.writer.term, (held ? held->batch : 0) + 1 + attempts_.size(), settings_.writer.instance,
            settings_.writer.store};
  if (settings_.takes_over && held && held->store == out.store) out.term = std::max(out.term, held->term);
  return epoch_record(out, style_.owner, style_.zone_name);
}

Zone::Call Zone::change_call(Moment now) {
  Attempt attempt;
  std::vector<aws::RecordChange> group;
  if (!last_was_group_ || pending_.empty()) group = group_changes();
  if (group.empty()) attempt.changes = pending_changes(now.steady);
  if (attempt.changes.empty() && group.empty()) group = group_changes();
  if (!group.empty()) {
    attempt.changes = std::move(group);
    attempt.is_group = true;
  }
  last_was_group_ = attempt.is_group;
  const bool is_last =
      is_leaving_ && attempt.changes.empty() && wanted_.empty() && holdings_.ours.empty() && holdings_.epoch;
  if (attempt.changes.empty() && !must_claim_ && !is_last) return {};
  if (!is_last) attempt.epoch = next_epoch();
  Call call;
  call.what = What::Change;
  call.changes = attempt.changes;
  add_epoch(call.changes, holdings_.epoch, attempt.epoch);
  in_flight_ = std::move(attempt);
  return call;
}

Zone::Call Zone::next(Moment now) {
  Call call;
  if (now.steady < not_before_) return call;
  is_scanning_call_ = false;
  reading_name_.clear();
  const std::string epoch_name = epoch_record_name(style_.owner, style_.zone_name);
  const auto read = [&](const std::string& name) {
    reading_name_ = name;
    call.what = What::ReadName;
    call.from.name = name;
  };
  switch (phase_) {
    case Phase::Check: call.what = What::Check; return call;
    case Phase::Read:
      call.what = What::ListPage;
      call.from = cursor_;
      return call;
    case Phase::StoodBack: read(epoch_name); return call;
    case Phase::Ready: break;
  }
  if (verify_epoch_) {
    read(epoch_name);
    return call;
  }
  if (reread_.size() > kMostNamesReadAlone) {
    read_again();
    call.what = What::ListPage;
    call.from = cursor_;
    return call;
  }
  if (!reread_.empty()) {
    read(*reread_.begin());
    return call;
  }
  call = change_call(now);
  if (call.what != What::None) return call;
  if (!sync_id_.empty() && now.steady >= sync_at_) {
    call.what = What::GetChange;
    call.change_id = sync_id_;
    return call;
  }
  if (scan_at_ && now.steady >= *scan_at_) {
    if (!scan_) scan_.emplace();
    is_scanning_call_ = true;
    call.what = What::ListPage;
    call.from = scan_->from;
  }
  return call;
}

std::optional<SteadyTime> Zone::wake(Moment now) const {
  if (phase_ != Phase::Ready) return std::max(not_before_, now.steady);
  std::optional<SteadyTime> out;
  const auto at = [&](SteadyTime time) { out = out ? std::min(*out, time) : time; };
  const bool is_last = is_leaving_ && wanted_.empty() && holdings_.ours.empty() && holdings_.epoch;
  if (verify_epoch_ || !reread_.empty() || !groups_.empty() || must_claim_ || is_last) at(not_before_);
  for (const auto& [name, since] : pending_) {
    if (!change_for(name)) continue;
    SteadyTime ready = not_before_;
    if (const auto refusal = refused_.find(name); refusal != refused_.end())
      ready = std::max(ready, refusal->second.retry_at);
    if (is_held_back(name, now.steady)) ready = std::max(ready, *settled_at_);
    if (grouped_.contains(name)) continue;
    at(ready);
  }
  if (!sync_id_.empty()) at(std::max(sync_at_, not_before_));
  if (scan_at_) at(std::max(*scan_at_, not_before_));
  return out;
}

bool Zone::is_done() const {
  if (!settled_at_ && !trouble_.empty() && wanted_.empty() && unfit_.empty()) return true;  // it never was of use
  return phase_ == Phase::Ready && wanted_.empty() && unfit_.empty() && holdings_.ours.empty() && attempts_.empty() &&
         !in_flight_ && !must_claim_ && !(is_leaving_ && holdings_.epoch);
}

NameState Zone::state_of(const std::string& name) const {
  if (const auto unfit = unfit_.find(name); unfit != unfit_.end()) return {NameState::Kind::Refused, unfit->second, {}};
  if (const auto refusal = refused_.find(name); refusal != refused_.end())
    return {NameState::Kind::Refused, refusal->second.reason, refusal->second.since};
  if (const auto foreign = holdings_.foreign.find(name); foreign != holdings_.foreign.end())
    return {NameState::Kind::Conflict,
            "the hosted zone has " + foreign->second + " for this name; it is left as it is",
            {}};
  const auto wanted = wanted_.find(name);
  const auto held = holdings_.ours.find(name);
  const bool is_there = wanted != wanted_.end() && held != holdings_.ours.end() && held->second.values.size() == 1 &&
                        held->second.values.front() == wanted->second.address;
  if (is_there) {
    const auto acceptance = accepted_.find(name);
    if (acceptance == accepted_.end()) return {NameState::Kind::Accepted, "by an earlier control plane", {}};
    return {acceptance->second.is_in_sync ? NameState::Kind::InSync : NameState::Kind::Accepted,
            {},
            acceptance->second.since};
  }
  if (!trouble_.empty()) return {NameState::Kind::Blocked, trouble_, trouble_since_};
  return {};
}

std::map<std::string, NameState> Zone::states() const {
  std::map<std::string, NameState> out;
  for (const auto& [name, _] : wanted_) out[name] = state_of(name);
  for (const auto& [name, _] : unfit_) out[name] = state_of(name);
  return out;
}

ZoneFigures Zone::figures() const {
  ZoneFigures out;
  out.owned = holdings_.ours.size();
  out.records = holdings_.records;
  out.refused = refused_.size() + unfit_.size();
  out.drifted = drifted_;
  for (const auto& [name, _] : wanted_) out.conflicts += holdings_.foreign.contains(name) ? 1 : 0;
  for (const auto& [name, since] : pending_) {
    if (refused_.contains(name) || (phase_ == Phase::Ready && !change_for(name))) continue;
    ++out.pending;
    out.oldest_pending = out.oldest_pending ? std::min(*out.oldest_pending, since) : since;
  }
  return out;
}

std::vector<std::string> Zone::take_notes() { return std::exchange(notes_, {}); }

}  // namespace mesh::route53
