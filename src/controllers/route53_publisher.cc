#include "controllers/route53_publisher.h"

#include <algorithm>

#include "base/log.h"
#include "naming/route53/record_names.h"

namespace mesh {
namespace {

using route53::NameState;
using route53::Zone;
using What = Zone::Call::What;
using Kind = aws::Route53Failure::Kind;

// Whether we lead is looked at this often when there is nothing else to do.
constexpr Duration kLeaderLook = std::chrono::milliseconds(500);

std::string_view failure_name(Kind kind) {
  switch (kind) {
    case Kind::Unreachable: return "unreachable";
    case Kind::Throttled: return "throttled";
    case Kind::PriorRequestNotComplete: return "prior_request_not_complete";
    case Kind::InvalidChangeBatch: return "invalid_change_batch";
    case Kind::AccessDenied: return "access_denied";
    case Kind::NoSuchHostedZone: return "no_such_hosted_zone";
    case Kind::LimitsExceeded: return "limits_exceeded";
    case Kind::Other: return "other";
  }
  return "other";
}

}  // namespace

Route53Publisher::Route53Publisher(Route53PublisherSettings settings, Needs needs)
    : settings_(std::move(settings)), needs_(std::move(needs)), call_pause_(settings_.call_pause) {}

Route53Publisher::~Route53Publisher() { stop(); }

void Route53Publisher::stop() {
  wants_.close();
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Route53Publisher::want(std::vector<WantedRecord> records) { wants_.put(std::move(records)); }

void Route53Publisher::start() {
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
}

void Route53Publisher::run(std::stop_token stop) {
  std::optional<SteadyTime> next = step();
  while (!stop.stop_requested() && !wants_.is_closed())
    next = turn(next ? wants_.take_all_until(stop, *next) : wants_.take_all(stop));
}

std::optional<SteadyTime> Route53Publisher::step() { return turn(wants_.take_now()); }

std::optional<SteadyTime> Route53Publisher::turn(std::vector<std::vector<WantedRecord>> wants) {
  if (!wants.empty()) {
    wanted_ = std::move(wants.back());
    knows_wants_ = true;
  }
  const SteadyTime now = needs_.clock.steady();
  if (!needs_.leads()) {
    zones_.clear();
    reported_.clear();
    led_ = false;
    return now + kLeaderLook;
  }
  if (!knows_wants_) return now + kLeaderLook;
  bool is_news = !wants.empty() || !led_;
  if (is_news) take(wanted_);
  led_ = true;

  SteadyTime wake = now + kLeaderLook;
  if (now < next_call_) {
    wake = next_call_;
  } else if (call_one(wake)) {
    is_news = true;
    next_call_ = needs_.clock.steady() + call_pause_;
    wake = next_call_;
  }
  if (is_news) report();
  return wake;
}

void Route53Publisher::take(const std::vector<WantedRecord>& records) {
  std::map<std::string, std::map<std::string, route53::Desired>> by_zone;
  unfit_.clear();
  for (const WantedRecord& record : records) {
    const std::string name = route53::record_name(record.hostname);
    const Result<std::string> id = aws::hosted_zone_id(record.zone_id);
    if (!id) {
      unfit_[{record.zone_id, name}] = {NameState::Kind::Refused, id.error().message(), needs_.clock.now()};
      continue;
    }
    // Of two that want a name in different ways the first stands: the names were given out elsewhere.
    by_zone[*id].emplace(name, route53::Desired{record.address, record.owner});
  }
  if (!settings_.zone_id.empty()) by_zone[settings_.zone_id];
  for (const auto& [id, _] : zones_) by_zone[id];
  for (auto& [id, wanted] : by_zone) {
    Zone& one = zone(id);
    // A zone in which nothing is wanted is left clean: with a record in it, whoever deletes its stack could not.
    one.leave(wanted.empty());
    one.want(std::move(wanted), moment());
  }
}

Zone& Route53Publisher::zone(const std::string& id) {
  std::unique_ptr<Zone>& out = zones_[id];
  if (!out) {
    route53::ZoneSettings settings;
    settings.zone_id = id;
    if (id == settings_.zone_id) settings.domain = settings_.domain;
    settings.writer = settings_.writer;
    settings.writer.term = needs_.term();
    settings.record_ttl = settings_.record_ttl;
    settings.timing = settings_.timing;
    out = std::make_unique<Zone>(std::move(settings));
  }
  return *out;
}

// The zone after the last that was served comes first. False: none has anything to do before `wake`.
bool Route53Publisher::call_one(SteadyTime& wake) {
  std::vector<Zone*> order;
  for (const bool after : {true, false})
    for (const auto& [id, one] : zones_)
      if ((id > last_called_) == after) order.push_back(one.get());
  for (Zone* one : order) {
    if (!call(*one)) continue;
    last_called_ = one->settings().zone_id;
    return true;
  }
  for (const Zone* one : order)
    if (const auto due = one->wake(moment())) wake = std::min(wake, *due);
  // Zones that nobody wants and that hold nothing of ours are forgotten.
  return std::erase_if(zones_, [&](const auto& entry) {
           return entry.first != settings_.zone_id && entry.second->is_done();
         }) > 0;
}

bool Route53Publisher::call(Zone& zone) {
  const Zone::Call call = zone.next(moment());
  const std::string& id = zone.settings().zone_id;
  switch (call.what) {
    case What::None: return false;
    case What::Check: {
      const auto answer = needs_.api.get_hosted_zone(id);
      count("GetHostedZone", answer ? nullptr : &answer.error());
      zone.on_checked(answer, moment());
      break;
    }
    case What::ListPage:
    case What::ReadName: {
      const auto answer = needs_.api.list_records(id, call.from);
      count("ListResourceRecordSets", answer ? nullptr : &answer.error());
      zone.on_page(answer, moment());
      break;
    }
    case What::Change: {
      const auto answer = needs_.api.change_records(id, call.changes);
      count("ChangeResourceRecordSets", answer ? nullptr : &answer.error());
      zone.on_change(answer, moment());
      if (answer)
        MESH_LOG_INFO("controllers", "Route 53 took {} changes of hosted zone {}", call.changes.size(), id);
      else
        MESH_LOG_INFO("controllers", "Route 53 did not take {} changes of hosted zone {}: {}", call.changes.size(), id,
                      answer.error().text);
      break;
    }
    case What::GetChange: {
      const auto answer = needs_.api.get_change(call.change_id);
      count("GetChange", answer ? nullptr : &answer.error());
      zone.on_got_change(answer, moment());
      break;
    }
  }
  for (const std::string& note : zone.take_notes()) MESH_LOG_WARN("controllers", "Route 53: {}", note);
  return true;
}

void Route53Publisher::count(std::string_view operation, const aws::Route53Failure* failure) {
  const bool is_throttled = failure != nullptr && failure->kind == Kind::Throttled;
  // Others use the account as well: who is throttled gives way, and comes back in small steps.
  if (is_throttled)
    call_pause_ = std::min(call_pause_ * 2, settings_.longest_call_pause);
  else
    call_pause_ = std::max<Duration>(call_pause_ * 9 / 10, settings_.call_pause);
  std::lock_guard lock(figures_mutex_);
  ++figures_.calls[std::string(operation)];
  if (failure != nullptr) ++figures_.failures[std::string(failure_name(failure->kind))];
  if (is_throttled) ++figures_.throttles;
}

void Route53Publisher::report() {
  States now = unfit_, changed;
  std::map<std::string, route53::ZoneFigures> figures;
  for (const auto& [id, one] : zones_) {
    figures[id] = one->figures();
    for (auto& [name, state] : one->states()) now[{id, name}] = std::move(state);
  }
  for (const auto& [key, state] : now) {
    const auto before = reported_.find(key);
    if (before == reported_.end() || !(before->second == state)) changed[key] = state;
  }
  {
    std::lock_guard lock(figures_mutex_);
    figures_.zones = std::move(figures);
  }
  reported_ = std::move(now);
  if (!changed.empty() && needs_.report) needs_.report(std::move(changed));
}

Route53Figures Route53Publisher::figures() const {
  std::lock_guard lock(figures_mutex_);
  return figures_;
}

}  // namespace mesh
