// The addresses of all services, and the resources that keep them (model/address_block.h), so that the next leader can
// go on where this one stopped.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/address_block.h"
#include "model/resource.h"
#include "naming/address_pool.h"

namespace mesh {

// Where addresses come from, by who they are for.
struct NamingRanges {
  AddressRange service;  // values of kuma.io/service
  AddressRange mesh_service;
  AddressRange mesh_external_service;
  AddressRange mesh_multi_zone_service;
};

// "service/<name>".
std::string owner_of_service(const std::string& service);
// "msvc/<mesh>/<name>".
std::string owner_of(const ResourceKey& service);

class AddressLedger {
 public:
  AddressLedger(const NamingRanges& ranges, Duration quarantine);

  // What the store holds. Addresses outside of their range are forgotten when the block is next written.
  void on_block(const Resource& block);
  void on_block_gone(const std::string& name);

  Result<std::string> take(const std::string& owner);
  std::optional<std::string> find(const std::string& owner) const;  // also of one that is kept back
  bool holds(const std::string& owner) const;                       // and not kept back
  // The owner uses this address since before there was a ledger. False: it is another's, or outside of the range.
  bool adopt(const std::string& owner, const std::string& address);
  void release(const std::string& owner, SystemTime now);
  bool expire(SystemTime now);  // true: some address is free again
  std::optional<SystemTime> next_expiry() const;

  // Blocks that are not as they were stored. Each is given once, and again when `on_write_failed` or the store says
  // that something else was written. An empty block is to be deleted.
  struct BlockWrite {
    Resource resource;
    Revision stored = 0;  // 0: there is none
    bool remove = false;
  };
  std::vector<BlockWrite> take_writes();
  void on_write_failed(const std::string& block);

  std::vector<std::string> owners() const;  // that hold an address now
  const AddressPool& pool_for(const std::string& owner) const { return pools_[index_of(owner)]; }

 private:
  struct Block {
    Revision stored = 0;
    std::map<std::string, AddressEntry> written;  // as they were stored last
    bool waits = false;                           // for the store to say what we wrote
  };

  static std::size_t index_of(const std::string& owner);
  void touch(Ipv4 address);
  std::map<std::string, AddressEntry> content_of(const std::string& name, const Block& block) const;

  std::array<AddressPool, 4> pools_;
  std::map<std::string, Block> blocks_;
  std::set<std::string> dirty_;
};

}  // namespace mesh
