// Walking lists that are sorted by name side by side.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace mesh {

struct NameIn {
  const std::string& operator()(const std::string& name) const { return name; }
  const std::string& operator()(const NamedResourcePtr& resource) const { return resource->name; }
  template <class T>
  const std::string& operator()(const T& item) const {
    return item.name();
  }
};
inline constexpr NameIn name_in;

inline constexpr auto by_name = [](const auto& a, const auto& b) { return name_in(a) < name_in(b); };

// Finds ascending names in a list that is sorted by name, going on where the last search ended.
template <class Item>
class Cursor {
 public:
  explicit Cursor(const std::vector<Item>& items) : at_(items.data()), end_(items.data() + items.size()) {}

  const Item* find(const std::string& name) {
    while (at_ != end_ && name_in(*at_) < name) ++at_;
    return at_ != end_ && name_in(*at_) == name ? at_ : nullptr;
  }

 private:
  const Item* at_;
  const Item* end_;
};

// Where that name is in a list that is sorted by name.
template <class List>
auto find_by_name(List& list, const std::string& name) {
  const auto at = std::ranges::lower_bound(list, name, {}, name_in);
  return at != list.end() && name_in(*at) == name ? at : list.end();
}

}  // namespace mesh
