// Who writes into a hosted zone. One TXT record says which control plane wrote last and counts its batches. Each batch
// removes the record exactly as it was read and creates the next one: when somebody else wrote meanwhile, the batch
// fails as a whole. So a control plane that was paused, or does not know yet that it leads no longer, changes nothing,
// whatever requests of it are still under way; a lease in a database could not do that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "aws/route53.h"

namespace mesh::route53 {

// A control plane, as it signs its batches.
struct Writer {
  std::string owner;       // the Kuma zone: it and its successors own the records. A label of a domain name
  std::string store;       // id of the store: another one is another deployment
  std::string instance;    // of the control plane: another one is another process
  std::uint64_t term = 0;  // grows with each new leader of a store; 0 where there is but one

  friend bool operator==(const Writer&, const Writer&) = default;
};

struct Epoch {
  std::uint64_t term = 0;
  std::uint64_t batch = 0;  // counts on, whoever writes
  std::string instance, store;

  friend bool operator==(const Epoch&, const Epoch&) = default;
};

std::string epoch_record_name(std::string_view owner, std::string_view zone_name);
aws::RecordSet epoch_record(const Epoch& epoch, std::string_view owner, std::string_view zone_name);
// None: the record is not one that we write.
std::optional<Epoch> read_epoch(const aws::RecordSet& record);

}  // namespace mesh::route53
