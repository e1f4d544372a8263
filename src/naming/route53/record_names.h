// Names as Route 53 has them: lower case, with the last dot.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::route53 {

// Lower case, with the last dot, and Route 53's "\052" read as the character that it stands for.
std::string record_name(std::string_view text);

// Of a host name in record_name()'s form. Invalid: no resolver could ask for it.
Status check_record_name(std::string_view name);

// Whether the zone "mesh.local." holds "redis.mesh.local." (and "mesh.local." itself).
bool is_in_zone(std::string_view name, std::string_view zone);

// Invalid: it is no IPv4 address; IPv6 in words of its own.
Status check_record_address(std::string_view address);

// "redis.mesh.local" of "redis.mesh.local.": as people write it.
std::string shown_name(std::string_view name);

}  // namespace mesh::route53
