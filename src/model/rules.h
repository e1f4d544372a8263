// What may stand in names, addresses, tags and labels, and what a Dataplane or a Mesh may hold. Everything that is
// wrong is appended to `violations` with its path; nothing here looks at other resources.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/kind.h"

namespace mesh {

using Violations = std::vector<Violation>;

bool is_ip_address(std::string_view text);  // IPv4 or IPv6
bool is_host_name(std::string_view text);   // a domain name, underscores allowed; no IP address
bool is_subdomain(std::string_view text);   // RFC 1123: lower case letters, digits, '-' and '.', at most 253

// The name of a resource.
void check_name(std::string_view name, const std::string& path, Violations& violations);
void check_port(std::uint32_t port, const std::string& path, Violations& violations);
// `wildcard_values`: a value may be "*".
void check_tags(const std::map<std::string, std::string>& tags, const std::string& path, bool wildcard_values,
                Violations& violations);
// Labels that a person may set: qualified names, values of at most 63 characters. Paths are labels["<name>"].
void check_labels(const std::map<std::string, std::string>& labels, Violations& violations);

bool is_known_protocol(std::string_view protocol);

// Lifetimes of certificates: a whole number and one unit of y, w, d, h, m, s, ms, at most 100y; or "0".
Result<Duration> parse_lifetime(std::string_view text);

void validate_dataplane(const AnySpec& spec, Violations& violations);
void validate_mesh(const AnySpec& spec, Violations& violations);

// path["key"]
std::string at_key(const std::string& path, std::string_view key);
std::string at_index(const std::string& path, std::size_t index);

}  // namespace mesh
