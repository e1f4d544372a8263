#include "model/dataplane.h"

#include "model/rules.h"

namespace mesh {
namespace {

const std::string& tag_or_empty(const Tags& tags, const char* name) {
  static const std::string empty;
  const auto found = tags.find(name);
  return found == tags.end() ? empty : found->second;
}

}  // namespace

const Kind kDataplaneKind = describe_kind<Dataplane>({.name = "Dataplane",
                                                      .path = "dataplanes",
                                                      .short_name = "dp",
                                                      .singular = "Dataplane",
                                                      .plural = "Dataplanes",
                                                      .layout = Layout::Flat,
                                                      .include_in_federation = false,
                                                      .validate = validate_dataplane});

const std::string& Inbound::service() const { return tag_or_empty(tags, kServiceTag); }

std::string Inbound::protocol() const {
  if (!protocol_.empty()) return protocol_;
  const std::string& tag = tag_or_empty(tags, kProtocolTag);
  return tag.empty() ? "tcp" : tag;
}

std::string Inbound::section_name() const { return name.empty() ? std::to_string(port) : name; }

const std::string& Outbound::service() const { return tag_or_empty(tags, kServiceTag); }

const std::string& Dataplane::reachable_address() const {
  return networking.advertised_address.empty() ? networking.address : networking.advertised_address;
}

}  // namespace mesh
