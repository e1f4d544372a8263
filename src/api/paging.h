// Lists come in pages: `size` and `offset` in the query, `next` in the answer.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/resource.h"
#include "wire/http.h"

namespace mesh::api {

inline constexpr std::size_t kDefaultPageSize = 100;
inline constexpr std::size_t kMaxPageSize = 1000;

struct PageRequest {
  std::size_t size = kDefaultPageSize;
  std::size_t offset = 0;
};

// Invalid, with a violation when it is about `size`.
Result<PageRequest> parse_page(const wire::Request& request);
wire::Response bad_page_response(const Error& error);

// {"total", "items", "next"}: `next` is the whole URL of the next page, as the client reached this one; null on the
// last.
boost::json::object page_json(const wire::Request& request, const PageRequest& page, std::size_t total,
                              boost::json::array items);

// The same of what was found in all, without spec and status.
boost::json::object page_of(const wire::Request& request, const PageRequest& page, const std::vector<Resource>& found);

}  // namespace mesh::api
