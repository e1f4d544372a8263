// The bytes of DNS messages (RFC 1035), as far as they are needed to answer for a few names and to hand on the rest.
// Pure. What comes in is anybody's: nothing is read beyond its end, and compressed names, which a question has no need
// of, are not followed.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mesh::sidecar {

using Ipv4 = std::array<unsigned char, 4>;

struct MeshNames {
  std::map<std::string, std::vector<Ipv4>, std::less<>> addresses;  // by name, in lower case
  std::uint32_t ttl = 5;                                            // seconds
};

// Reads {"records": [{"name": "kv.mesh", "ips": ["127.1.0.0"]}], "ttl": 5}. Addresses that are not IPv4 are left out.
Result<MeshNames> parse_mesh_names(std::string_view json);

struct DnsQuestion {
  std::string name;  // in lower case, without the last dot
  std::uint16_t type = 0, cls = 0;
  std::size_t end = 0;  // of its bytes

  friend bool operator==(const DnsQuestion&, const DnsQuestion&) = default;
};
// Of an ordinary query with one question. What is none is answered by nobody: an answer to an answer could go on for
// ever.
std::optional<DnsQuestion> read_question(std::string_view query);

// The answer to a query for one of the names; nothing when it is for something else. Never longer than 512 bytes.
std::optional<std::string> answer_query(std::string_view query, const MeshNames& names);

enum class DnsFailure : std::uint8_t { ServerFailure = 2, Refused = 5 };
// Nothing when it is no query.
std::optional<std::string> fail_query(std::string_view query, DnsFailure failure);

// Whether this is an answer to exactly that query: its id, its question.
bool is_answer_to(std::string_view answer, std::string_view query);

// The first IPv4 server of a resolv.conf that is not `own`; empty: there is none.
std::string upstream_in(std::string_view resolv_conf, std::string_view own);

}  // namespace mesh::sidecar
