#include "naming/address_ledger.h"

#include <fmt/format.h>

namespace mesh {
namespace {

constexpr Ipv4 kBlockSize = 256;

std::string block_name(Ipv4 address) { return format_ipv4(address & ~(kBlockSize - 1)); }

}  // namespace

std::string owner_of_service(const std::string& service) { return "service/" + service; }

std::string owner_of(const ResourceKey& service) {
  return fmt::format("{}/{}/{}", service.kind->short_name, service.mesh, service.name);
}

AddressLedger::AddressLedger(const NamingRanges& ranges, Duration quarantine)
    : pools_{AddressPool{ranges.service,
                         quarantine,
                         {ranges.mesh_service, ranges.mesh_external_service, ranges.mesh_multi_zone_service}},
             AddressPool{ranges.mesh_service, quarantine}, AddressPool{ranges.mesh_external_service, quarantine},
             AddressPool{ranges.mesh_multi_zone_service, quarantine}} {}

std::size_t AddressLedger::index_of(const std::string& owner) {
  if (owner.starts_with("msvc/")) return 1;
  if (owner.starts_with("extsvc/")) return 2;
  return owner.starts_with("mzsvc/") ? 3 : 0;
}

void AddressLedger::touch(Ipv4 address) { dirty_.insert(block_name(address)); }

void AddressLedger::on_block(const Resource& resource) {
  const auto* content = resource.spec.as<AddressBlock>();
  if (content == nullptr) return;
  const std::string& name = resource.key.name;
  Block& block = blocks_[name];
  block.stored = resource.revision;
  block.waits = false;
  // What we changed and have not written yet stands above what somebody else wrote.
  if (!dirty_.contains(name)) {
    for (const auto& [text, entry] : block.written) {
      if (content->addresses.contains(text)) continue;
      pools_[index_of(entry.owner)].set(parse_ipv4(text).value_or(0), nullptr);
    }
    for (const auto& [text, entry] : content->addresses) {
      const Ipv4 address = parse_ipv4(text).value_or(0);
      const AddressPool::Holder holder{entry.owner, entry.freed};
      AddressPool& pool = pools_[index_of(entry.owner)];
      const AddressPool::Holder* now = pool.holder_of(address);
      if (now == nullptr || *now != holder) pool.set(address, &holder);
    }
  }
  block.written = content->addresses;
}

void AddressLedger::on_block_gone(const std::string& name) {
  const auto block = blocks_.find(name);
  if (block == blocks_.end()) return;
  if (!dirty_.contains(name))
    for (const auto& [text, entry] : block->second.written)
      pools_[index_of(entry.owner)].set(parse_ipv4(text).value_or(0), nullptr);
  blocks_.erase(block);
}

Result<std::string> AddressLedger::take(const std::string& owner) {
  AddressPool& pool = pools_[index_of(owner)];
  if (holds(owner)) return format_ipv4(*pool.find(owner));
  MESH_TRY(const Ipv4 address, pool.take(owner));
  touch(address);
  return format_ipv4(address);
}

std::optional<std::string> AddressLedger::find(const std::string& owner) const {
  const std::optional<Ipv4> address = pool_for(owner).find(owner);
  return address ? std::optional(format_ipv4(*address)) : std::nullopt;
}

bool AddressLedger::holds(const std::string& owner) const {
  const AddressPool& pool = pool_for(owner);
  const std::optional<Ipv4> address = pool.find(owner);
  return address && !pool.holder_of(*address)->freed;
}

bool AddressLedger::adopt(const std::string& owner, const std::string& text) {
  AddressPool& pool = pools_[index_of(owner)];
  const std::optional<Ipv4> address = parse_ipv4(text);
  if (!address || pool.find(owner)) return false;
  const AddressPool::Holder* holder = pool.holder_of(*address);
  const AddressPool::Holder us{owner, {}};
  if (holder != nullptr || !pool.set(*address, &us)) return false;
  touch(*address);
  return true;
}

void AddressLedger::release(const std::string& owner, SystemTime now) {
  if (const std::optional<Ipv4> address = pools_[index_of(owner)].release(owner, now)) touch(*address);
}

bool AddressLedger::expire(SystemTime now) {
  bool any = false;
  for (AddressPool& pool : pools_)
    for (const Ipv4 address : pool.expire(now)) {
      touch(address);
      any = true;
    }
  return any;
}

std::optional<SystemTime> AddressLedger::next_expiry() const {
  std::optional<SystemTime> next;
  for (const AddressPool& pool : pools_)
    if (const std::optional<SystemTime> expiry = pool.next_expiry(); expiry && (!next || *expiry < *next))
      next = expiry;
  return next;
}

std::map<std::string, AddressEntry> AddressLedger::content_of(const std::string& name, const Block& block) const {
  std::map<std::string, AddressEntry> out;
  const Ipv4 first = parse_ipv4(name).value_or(0);
  for (const AddressPool& pool : pools_)
    pool.each_between(first, first + (kBlockSize - 1), [&](Ipv4 address, const AddressPool::Holder& holder) {
      AddressEntry entry{holder.owner, holder.freed, {}};
      const auto before = block.written.find(format_ipv4(address));
      if (before != block.written.end() && before->second.owner == holder.owner)
        entry.published = before->second.published;
      out.emplace(format_ipv4(address), std::move(entry));
    });
  return out;
}

std::vector<AddressLedger::BlockWrite> AddressLedger::take_writes() {
  std::vector<BlockWrite> out;
  std::erase_if(dirty_, [&](const std::string& name) {
    Block& block = blocks_[name];
    if (block.waits) return false;
    AddressBlock content{content_of(name, block)};
    const bool is_stored = block.stored != 0;
    if (content.addresses == block.written && (is_stored || content.addresses.empty())) return true;
    BlockWrite write{.resource = {}, .stored = block.stored, .remove = content.addresses.empty()};
    write.resource.key = {&kAddressBlockKind, {}, name};
    write.resource.spec = AnySpec::of(std::move(content));
    block.waits = true;
    out.push_back(std::move(write));
    return true;
  });
  return out;
}

void AddressLedger::on_write_failed(const std::string& name) {
  blocks_[name].waits = false;
  dirty_.insert(name);
}

std::vector<std::string> AddressLedger::owners() const {
  std::vector<std::string> out;
  for (const AddressPool& pool : pools_)
    for (std::string& owner : pool.owners()) out.push_back(std::move(owner));
  return out;
}

}  // namespace mesh
