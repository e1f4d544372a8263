// MeshTimeout: how long a proxy waits, towards others (`to`) and for its own application (`rules`, formerly `from`).
// https://kuma.io/docs/2.13.x/policies/meshtimeout/
#pragma once

#include <boost/describe/class.hpp>

#include <optional>
#include <string>
#include <vector>

#include "model/kind.h"
#include "model/resource.h"
#include "model/target_ref.h"
#include "policy/match.h"
#include "policy/policy.h"

namespace mesh {

extern const Kind kMeshTimeoutKind;

struct HttpTimeouts {
  std::optional<Duration> request_timeout = {};
  std::optional<Duration> stream_idle_timeout = {};
  std::optional<Duration> max_stream_duration = {};
  std::optional<Duration> max_connection_duration = {};
  std::optional<Duration> request_headers_timeout = {};
};
BOOST_DESCRIBE_STRUCT(HttpTimeouts, (),
                      (request_timeout, stream_idle_timeout, max_stream_duration, max_connection_duration,
                       request_headers_timeout))

struct TimeoutConf {
  std::optional<Duration> connection_timeout = {};
  std::optional<Duration> idle_timeout = {};
  std::optional<HttpTimeouts> http = {};
};
BOOST_DESCRIBE_STRUCT(TimeoutConf, (), (connection_timeout, idle_timeout, http))

struct TimeoutItem {  // of `to` and `from`
  TargetRef target_ref;
  TimeoutConf default_;

  static constexpr std::array kRules = {FieldRule{.member = "target_ref", .required = true}};
};
BOOST_DESCRIBE_STRUCT(TimeoutItem, (), (target_ref, default_))

struct TimeoutRule {
  std::optional<std::vector<Match>> matches;  // none: all callers
  TimeoutConf default_;
};
BOOST_DESCRIBE_STRUCT(TimeoutRule, (), (matches, default_))

struct MeshTimeout {
  std::optional<TargetRef> target_ref;
  std::optional<std::vector<TimeoutItem>> to;
  std::optional<std::vector<TimeoutItem>> from;
  std::optional<std::vector<TimeoutRule>> rules;
};
BOOST_DESCRIBE_STRUCT(MeshTimeout, (), (target_ref, to, from, rules))

const Policy& mesh_timeout_policy();

// What a new mesh gets: one for sidecars, one for gateways.
std::vector<Resource> default_mesh_timeouts(const std::string& mesh);

}  // namespace mesh
