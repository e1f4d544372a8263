// What must change in a hosted zone: from what is wanted and what is there to batches that Route 53 accepts. Pure.
//
// Which records are ours is kept in the records themselves: each is a weighted record whose set identifier names the
// owner and is bound to the record's name. So ownership takes no records of its own from the zone's quota, and cannot
// get apart from what is owned. A record without our identifier is somebody else's, and is never touched.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "aws/route53.h"

namespace mesh::route53 {

struct Desired {
  std::string address;
  std::string owner;  // who wants it, in words

  friend bool operator==(const Desired&, const Desired&) = default;
};

struct RecordStyle {
  std::string owner;      // see Writer
  std::string zone_name;  // "mesh.local."
  std::uint32_t ttl = 60;
};
std::string set_identifier(std::string_view owner, std::string_view name);
aws::RecordSet address_record(const RecordStyle& style, const std::string& name, const std::string& address);

// What a zone holds, as far as it concerns us. Names as record_name() makes them.
struct Holdings {
  std::map<std::string, aws::RecordSet> ours;
  std::map<std::string, std::string> foreign;  // names that others use, and how, in words
  std::optional<aws::RecordSet> epoch;
  std::size_t records = 0;                    // all there are
  std::optional<std::uint32_t> negative_ttl;  // how long resolvers keep "no such name"

  // Takes in one record set of the zone.
  void add(const RecordStyle& style, aws::RecordSet record);
};

struct Plan {
  std::vector<aws::RecordChange> changes;        // in the order in which to send them
  std::map<std::string, std::string> conflicts;  // names that are not published, and why
};
Plan make_plan(const RecordStyle& style, const std::map<std::string, Desired>& wanted, const Holdings& holdings);
// The same for one name. None: it is as it should be, or cannot be.
std::optional<aws::RecordChange> change_of(const RecordStyle& style, const std::string& name, const Desired* wanted,
                                           const Holdings& holdings);

// As many changes from the front as fit into one batch beside the epoch record.
std::vector<aws::RecordChange> take_batch(const std::vector<aws::RecordChange>& changes, const aws::BatchSize& limit);

// How the batch moves the epoch on: the old record exactly as it was goes, the new one comes.
void add_epoch(std::vector<aws::RecordChange>& batch, const std::optional<aws::RecordSet>& from,
               const std::optional<aws::RecordSet>& to);

// Room that add_epoch() needs.
constexpr aws::BatchSize kEpochSize{2, 1'000};
constexpr aws::BatchSize kBatchLimit{aws::kLargestBatch.records - kEpochSize.records,
                                     aws::kLargestBatch.characters - kEpochSize.characters};

// Takes in what a batch did.
void apply(const std::vector<aws::RecordChange>& batch, const RecordStyle& style, Holdings& holdings);

// What Route 53 says against single records of a batch: name → reason. What names nobody is under "".
std::map<std::string, std::string> blamed_names(const std::vector<std::string>& messages);

}  // namespace mesh::route53
