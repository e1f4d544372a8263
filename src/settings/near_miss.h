// Which known name did somebody mean?
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mesh {

// The known name that differs least from `name`, when it differs by few letters (or only in its underscores).
std::optional<std::string> find_near_miss(std::string_view name, std::span<const std::string_view> known);

}  // namespace mesh
