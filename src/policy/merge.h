// Merging of described confs: what `over` says replaces what `base` says, field by field; what it leaves out stays.
// Lists are replaced whole.
#pragma once

#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>

#include <optional>
#include <type_traits>

namespace mesh {

template <class T>
void merge_over(T& base, const T& over);

namespace merging {

template <class T>
concept Described = boost::describe::has_describe_members<T>::value;

template <class T>
void merge_field(T& base, const T& over) {
  if constexpr (Described<T>) {
    merge_over(base, over);
  } else {
    base = over;
  }
}
template <class T>
void merge_field(std::optional<T>& base, const std::optional<T>& over) {
  if (!over) return;
  if (base) {
    merge_field(*base, *over);
  } else {
    base = over;
  }
}

}  // namespace merging

template <class T>
void merge_over(T& base, const T& over) {
  using Members = boost::describe::describe_members<T, boost::describe::mod_public>;
  boost::mp11::mp_for_each<Members>(
      [&](auto member) { merging::merge_field(base.*member.pointer, over.*member.pointer); });
}

}  // namespace mesh
