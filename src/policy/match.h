// Which callers a rule of a policy is about.
#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/describe.h"

namespace mesh {

enum class SpiffeMatchType { Exact, Prefix };
BOOST_DESCRIBE_ENUM(SpiffeMatchType, Exact, Prefix)
struct SpiffeMatch {
  SpiffeMatchType type = SpiffeMatchType::Exact;
  std::string value;  // "spiffe://default/backend"

  static constexpr std::array kRules = {FieldRule{.member = "type", .required = true},
                                        FieldRule{.member = "value", .required = true}};
  friend bool operator==(const SpiffeMatch&, const SpiffeMatch&) = default;
};
BOOST_DESCRIBE_STRUCT(SpiffeMatch, (), (type, value))

enum class SniMatchType { Exact };
BOOST_DESCRIBE_ENUM(SniMatchType, Exact)
struct SniMatch {
  SniMatchType type = SniMatchType::Exact;
  std::string value;

  static constexpr std::array kRules = {FieldRule{.member = "type", .required = true},
                                        FieldRule{.member = "value", .required = true}};
  friend bool operator==(const SniMatch&, const SniMatch&) = default;
};
BOOST_DESCRIBE_STRUCT(SniMatch, (), (type, value))

// A caller matches when all that is given does. Nothing given: matches nobody.
struct Match {
  std::optional<SpiffeMatch> spiffe_id;
  std::optional<SniMatch> sni;

  static constexpr std::array kRules = {FieldRule{.member = "spiffe_id", .json = "spiffeID"}};
  friend bool operator==(const Match&, const Match&) = default;
};
BOOST_DESCRIBE_STRUCT(Match, (), (spiffe_id, sni))

// Violations under `path`, such as "spec.rules[0].matches[1]".
void validate_match(const Match& match, const std::string& path, std::vector<Violation>& violations);

}  // namespace mesh
