#include "model/address_block.h"

namespace mesh {

const Kind kAddressBlockKind = describe_kind<AddressBlock>({.name = "AddressBlock",
                                                            .path = "addressblocks",
                                                            .singular = "Address Block",
                                                            .plural = "Address Blocks",
                                                            .scope = Scope::Global,
                                                            .read_only = true,
                                                            .made_in_zones = false,
                                                            .include_in_federation = false,
                                                            .is_internal = true});

std::string block_of(const std::string& address) { return address.substr(0, address.rfind('.')) + ".0"; }

std::string service_of_owner(const std::string& owner) {
  constexpr std::string_view prefix = "service/";
  return owner.starts_with(prefix) ? owner.substr(prefix.size()) : std::string();
}

}  // namespace mesh
