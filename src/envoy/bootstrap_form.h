// The bootstrap file of many proxies, cut where theirs differ.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "envoy/bootstrap.h"

namespace mesh::envoy {

// Texts of a proxy that have a place of their own in an otherwise equal file.
enum class BootstrapSlot : char {
  Id = 'i',
  Service = 'c',
  Metadata = 'm',
  Token = 't',
  TokenPath = 'p',
  AdminSocket = 'a',
  LogSocket = 'l',
  DiscoverySocket = 'd'
};

// What stands in the blank file instead of the text. For the metadata: instead of the only key of an object, whose
// value is `true`.
std::string place_of(BootstrapSlot slot);
// Such a text could be taken for a place.
bool has_slot_sign(std::string_view text);

class BootstrapForm {
 public:
  explicit BootstrapForm(std::string_view blank_file);
  // `metadata` is a JSON object.
  std::string fill(const BootstrapSpec& spec, std::string_view metadata) const;

 private:
  std::vector<std::pair<std::string, BootstrapSlot>> parts_;  // what comes before the slot
  std::string end_;
};

}  // namespace mesh::envoy
