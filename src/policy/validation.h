// Checks that several kinds of policy share. Violations are appended, with paths under the given one.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/target_ref.h"

namespace mesh {

struct TargetRefRules {
  std::initializer_list<TargetKind> kinds;  // what may stand there
  bool section_name_on_dataplane = false;   // top level of a policy about inbounds: a single inbound may be named
  bool gateway_tags = false;                // MeshGateway may be narrowed by listener tags
};
void validate_target_ref(const TargetRef& target, const std::string& path, const TargetRefRules& rules,
                         std::vector<Violation>& violations);

void validate_not_negative(const std::optional<Duration>& duration, const std::string& path,
                           std::vector<Violation>& violations);
void validate_positive(const std::optional<Duration>& duration, const std::string& path,
                       std::vector<Violation>& violations);

// What a write with this top-level targetRef is answered with: kinds that go away in a later version.
void warn_of_deprecated_target(const std::optional<TargetRef>& target, std::vector<std::string>& warnings);

// A place in a list: index_path("spec.to", 1) is "spec.to[1]".
std::string index_path(std::string_view list, std::size_t index);

}  // namespace mesh
