// Which virtual addresses are taken, and by whom: one resource for each 256 addresses that begins with an address
// ending in .0, so that a new service rewrites little. Written by the leader only, shared by all meshes, not shown over
// REST.
#pragma once

#include <boost/describe/class.hpp>

#include <map>
#include <optional>
#include <string>

#include "model/describe.h"
#include "model/hostname_generator.h"

namespace mesh {

extern const Kind kAddressBlockKind;

struct AddressEntry {
  // "service/<name>" for a value of kuma.io/service, whatever its meshes; else "<short name of the
  // kind>/<mesh>/<name>".
  std::string owner;
  // The owner is gone since then: nobody else gets the address while someone may still have it cached.
  std::optional<SystemTime> freed;
  // Of "service/…": what the DNS service answered for its names.
  std::optional<Condition> published;

  friend bool operator==(const AddressEntry&, const AddressEntry&) = default;
};
BOOST_DESCRIBE_STRUCT(AddressEntry, (), (owner, freed, published))

struct AddressBlock {
  std::map<std::string, AddressEntry> addresses;  // by "127.1.0.3"
};
BOOST_DESCRIBE_STRUCT(AddressBlock, (), (addresses))

// The name of the block that an address is in: "127.1.0.0".
std::string block_of(const std::string& address);
// The value of kuma.io/service that an owner stands for; empty when it is another kind of owner.
std::string service_of_owner(const std::string& owner);

}  // namespace mesh
