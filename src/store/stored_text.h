// How resources are written down by stores that keep text: labels, spec and status as JSON, times as numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "model/resource.h"

namespace mesh {

std::int64_t stored_time(SystemTime time);  // nanoseconds since 1970
SystemTime time_of_stored(std::int64_t number);

std::string stored_labels(const Labels& labels);
Result<Labels> labels_of_stored(std::string_view text);

// Empty when there is nothing to store.
std::string stored_spec(const Resource& resource);
std::string stored_status(const Resource& resource);
// Invalid when `text` is not what this kind can read.
Result<AnySpec> spec_of_stored(const Kind& kind, std::string_view text);
Result<AnySpec> status_of_stored(const Kind& kind, std::string_view text);

}  // namespace mesh
