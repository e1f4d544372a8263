// Route 53 for tests: hosted zones in memory, with the rules of the real one that matter here. A batch is applied whole
// or not at all; records are told apart by name, type and set identifier; limits hold; errors are worded as AWS words
// them.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "aws/route53.h"
#include "naming/route53/record_names.h"

namespace mesh::route53::test {

class FakeRoute53 final : public aws::Route53Api {
 public:
  using Key = std::tuple<std::string, std::string, std::string>;  // name, type, set identifier
  struct FakeZone {
    std::string name;
    bool is_private = true;
    std::map<Key, aws::RecordSet> records;
  };
  struct Request {
    std::string what;
    std::vector<aws::RecordChange> changes;
  };
  // What happens to a call instead of its being answered.
  enum class Fault { None, Throttle, PriorRequest, LostRequest, LostAnswer, Denied };

  std::map<std::string, FakeZone> zones;
  std::vector<Request> requests;
  std::deque<Fault> faults;                           // of the next calls
  std::function<Fault(const Request&)> fault;         // of any call, where `faults` is empty
  std::function<bool(const aws::RecordSet&)> is_bad;  // what is refused without naming it
  bool names_the_bad = false;
  bool grants_get_change = true, is_in_sync_at_once = false;
  std::size_t page = 300, quota = 10'000;

  void add_zone(const std::string& id, const std::string& name) {
    zones[id].name = name;
    put(id, {.name = name,
             .type = "SOA",
             .set_identifier = {},
             .weight = {},
             .ttl = 900,
             .values = {"ns. hostmaster. 1 7200 900 1209600 5"}});
  }
  void put(const std::string& id, const aws::RecordSet& record) { zones.at(id).records[key(record)] = record; }
  const aws::RecordSet* find(const std::string& id, const std::string& name, const std::string& type = "A") const {
    for (const auto& [_, record] : zones.at(id).records)
      if (record.name == name && record.type == type) return &record;
    return nullptr;
  }
  std::string address(const std::string& id, const std::string& name) const {
    const aws::RecordSet* record = find(id, name);
    return record == nullptr || record->values.empty() ? "" : record->values.front();
  }
  std::size_t count(const std::string& what) const {
    return static_cast<std::size_t>(
        std::count_if(requests.begin(), requests.end(), [&](const Request& one) { return one.what == what; }));
  }

  aws::Route53Result<aws::HostedZone> get_hosted_zone(const std::string& id) override {
    if (auto failure = enter({"check", {}})) return std::unexpected(*failure);
    const auto zone = zones.find(id);
    if (zone == zones.end()) return std::unexpected(aws::Route53Failure{Kind::NoSuchHostedZone, "no such zone", {}});
    return aws::HostedZone{id, zone->second.name, zone->second.is_private, zone->second.records.size()};
  }

  aws::Route53Result<aws::RecordPage> list_records(const std::string& id, const aws::RecordCursor& from) override {
    if (auto failure = enter({"list", {}})) return std::unexpected(*failure);
    aws::RecordPage out;
    auto at = zones.at(id).records.lower_bound({from.name, from.type, from.set_identifier});
    for (; at != zones.at(id).records.end() && out.records.size() < page; ++at) out.records.push_back(at->second);
    if (at != zones.at(id).records.end())
      out.next = aws::RecordCursor{at->second.name, at->second.type, at->second.set_identifier};
    return out;
  }

  aws::Route53Result<aws::ChangeInfo> change_records(const std::string& id,
                                                     const std::vector<aws::RecordChange>& changes) override {
    bool loses_answer = false;
    if (auto failure = enter({"change", changes}, &loses_answer)) return std::unexpected(*failure);
    FakeZone& zone = zones.at(id);
    aws::BatchSize size;
    for (const auto& change : changes) size += aws::size_of(change);
    if (size.records > aws::kLargestBatch.records || size.characters > aws::kLargestBatch.characters)
      return std::unexpected(
          aws::Route53Failure{Kind::InvalidChangeBatch, "too large", {"Number of records limit of 1000 exceeded."}});
    auto after = zone.records;
    std::string messages;
    bool has_bad = false;
    for (const auto& change : changes) one_change(zone, change, after, messages, has_bad);
    if (has_bad && messages.empty()) messages = "Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address'";
    if (!messages.empty())
      return std::unexpected(aws::Route53Failure{Kind::InvalidChangeBatch, "refused", {"[" + messages + "]"}});
    if (after.size() > quota) return std::unexpected(aws::Route53Failure{Kind::LimitsExceeded, "too many records", {}});
    zone.records = std::move(after);
    if (loses_answer) return std::unexpected(lost());
    return aws::ChangeInfo{"/change/C" + std::to_string(requests.size()), is_in_sync_at_once};
  }

  aws::Route53Result<aws::ChangeInfo> get_change(const std::string& id) override {
    if (auto failure = enter({"get", {}})) return std::unexpected(*failure);
    if (!grants_get_change) return std::unexpected(aws::Route53Failure{Kind::AccessDenied, "AccessDenied", {}});
    return aws::ChangeInfo{id, true};
  }

 private:
  using Kind = aws::Route53Failure::Kind;
  static Key key(const aws::RecordSet& record) { return {record.name, record.type, record.set_identifier}; }
  static aws::Route53Failure lost() { return {Kind::Unreachable, "timed out", {}}; }

  std::optional<aws::Route53Failure> enter(Request request, bool* loses_answer = nullptr) {
    requests.push_back(std::move(request));
    Fault what = Fault::None;
    if (!faults.empty()) {
      what = faults.front();
      faults.pop_front();
    } else if (fault) {
      what = fault(requests.back());
    }
    switch (what) {
      case Fault::None: return std::nullopt;
      case Fault::Throttle: return aws::Route53Failure{Kind::Throttled, "Throttling", {}};
      case Fault::PriorRequest:
        return aws::Route53Failure{Kind::PriorRequestNotComplete, "PriorRequestNotComplete", {}};
      case Fault::Denied: return aws::Route53Failure{Kind::AccessDenied, "AccessDenied", {}};
      case Fault::LostRequest: return lost();
      case Fault::LostAnswer:
        if (loses_answer == nullptr) return lost();
        *loses_answer = true;
        return std::nullopt;
    }
    return std::nullopt;
  }

  void one_change(const FakeZone& zone, const aws::RecordChange& change, std::map<Key, aws::RecordSet>& after,
                  std::string& messages, bool& has_bad) const {
    using Action = aws::RecordChange::Action;
    const aws::RecordSet& record = change.record;
    const std::string shown =
        "[name='" + record.name + "', type='" + record.type + "'" +
        (record.set_identifier.empty() ? "" : ", set-identifier='" + record.set_identifier + "'") + "]";
    const auto say = [&](const std::string& text) { messages += (messages.empty() ? "" : ", ") + text; };
    if (!is_in_zone(record.name, zone.name))
      return say("RRSet with DNS name " + record.name + " is not permitted in zone " + zone.name);
    const auto held = after.find(key(record));
    if (change.action == Action::Delete) {
      if (held == after.end()) return say("Tried to delete resource record set " + shown + " but it was not found");
      if (!(held->second == record))
        return say("Tried to delete resource record set " + shown +
                   " but the values provided do not match the current values");
      after.erase(held);
      return;
    }
    if (is_bad && is_bad(record)) {
      has_bad = true;
      if (names_the_bad) say("Invalid Resource Record: 'CNAMERRDATA' for RRSet with DNS name " + record.name);
      return;
    }
    if (change.action == Action::Create && held != after.end())
      return say("Tried to create resource record set " + shown + " but it already exists");
    for (const auto& [other_key, other] : after) {
      if (other.name != record.name || other_key == key(record)) continue;
      if (other.type == "CNAME" || record.type == "CNAME" ||
          (other.type == record.type && other.set_identifier.empty() != record.set_identifier.empty()))
        return say("RRSet with DNS name " + record.name + ", type " + record.type +
                   " conflicts with another RRSet of the same name");
    }
    after[key(record)] = record;
  }
};

}  // namespace mesh::route53::test
