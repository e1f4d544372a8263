// Walking lists that are sorted by name side by side.
#pragma once

#include <string>
#include <vector>

namespace mesh {

// Finds ascending names in a list that is sorted by name, going on where the last search ended.
template <class Item>
class Cursor {
 public:
  explicit Cursor(const std::vector<Item>& items) : at_(items.data()), end_(items.data() + items.size()) {}

  const Item* find(const std::string& name) {
    while (at_ != end_ && name_of(*at_) < name) ++at_;
    return at_ != end_ && name_of(*at_) == name ? at_ : nullptr;
  }

 private:
  static const std::string& name_of(const std::string& name) { return name; }
  template <class T>
  static const std::string& name_of(const T& item) {
    return item.name;
  }

  const Item* at_;
  const Item* end_;
};

inline constexpr auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };

}  // namespace mesh
