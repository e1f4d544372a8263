// How services get names in DNS: a template that is rendered for each service that the selector picks; and what a
// service says of the names it got, which all kinds of services share.
// https://kuma.io/docs/2.13.x/networking/hostnamegenerator/
#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/json/value.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/describe.h"

namespace mesh {

extern const Kind kHostnameGeneratorKind;

// Picks what has all of these labels; without any it picks everything.
struct LabelSelector {
  std::map<std::string, std::string> match_labels;

  bool matches(const std::map<std::string, std::string>& labels) const;
  friend bool operator==(const LabelSelector&, const LabelSelector&) = default;
};
BOOST_DESCRIBE_STRUCT(LabelSelector, (), (match_labels))

struct GeneratorSelector {
  std::optional<LabelSelector> mesh_service, mesh_external_service, mesh_multi_zone_service;  // one of them
};
BOOST_DESCRIBE_STRUCT(GeneratorSelector, (), (mesh_service, mesh_external_service, mesh_multi_zone_service))

struct Extension {
  std::string type;
  boost::json::value config;  // what it holds depends on the type

  static constexpr std::array kRules = {FieldRule{.member = "type", .required = true}};
};
BOOST_DESCRIBE_STRUCT(Extension, (), (type, config))

struct HostnameGenerator {
  GeneratorSelector selector;
  std::string template_;
  std::optional<Extension> extension;

  static constexpr std::array kRules = {FieldRule{.member = "template_", .required = true}};
};
BOOST_DESCRIBE_STRUCT(HostnameGenerator, (), (selector, template_, extension))

inline constexpr const char* kRoute53Extension = "Route53";

// The hosted zone that keeps the names of a generator in a zone of the mesh: `config.hostedZoneId`, or of
// `config.hostedZones` the one with the zone's name. Empty: the generator does not ask for Route 53, or not in this
// zone.
std::string hosted_zone_of(const HostnameGenerator& generator, const std::string& zone);

// ---- what a service says of its names, in its status

// Something that is true of a resource, or not, and why.
struct Condition {
  std::string type;    // "Generated"; "Published" for what a DNS service answered
  std::string status;  // "True", "False", "Unknown"
  std::string reason;  // in one word
  std::string message;
  std::optional<SystemTime> last_transition_time;  // of Published

  static constexpr std::array kRules = {
      FieldRule{.member = "type", .required = true}, FieldRule{.member = "status", .required = true},
      FieldRule{.member = "reason", .required = true}, FieldRule{.member = "message", .required = true}};
  friend bool operator==(const Condition&, const Condition&) = default;
};
BOOST_DESCRIBE_STRUCT(Condition, (), (type, status, reason, message, last_transition_time))

inline constexpr const char* kGeneratedCondition = "Generated";
inline constexpr const char* kPublishedCondition = "Published";

struct GeneratorRef {
  std::string core_name;

  static constexpr std::array kRules = {FieldRule{.member = "core_name", .required = true}};
  friend bool operator==(const GeneratorRef&, const GeneratorRef&) = default;
};
BOOST_DESCRIBE_STRUCT(GeneratorRef, (), (core_name))

// A name that leads to the service.
struct ServiceHostname {
  std::string hostname;
  std::string origin;  // "HostnameGenerator"
  GeneratorRef hostname_generator_ref;

  friend bool operator==(const ServiceHostname&, const ServiceHostname&) = default;
};
BOOST_DESCRIBE_STRUCT(ServiceHostname, (), (hostname, origin, hostname_generator_ref))

// What came of one generator for one service.
struct GeneratorStatus {
  GeneratorRef hostname_generator_ref;
  std::vector<Condition> conditions;

  friend bool operator==(const GeneratorStatus&, const GeneratorStatus&) = default;
};
BOOST_DESCRIBE_STRUCT(GeneratorStatus, (), (hostname_generator_ref, conditions))

}  // namespace mesh
