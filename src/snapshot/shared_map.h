// An ordered map that copies share until one of them is written to: a fold hands on, as one pointer, every table that a
// change does not touch.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <utility>

namespace mesh {

// Reads like a std::map. Writing is for the one thread that folds, and for tests.
template <class Key, class Value>
class SharedMap {
 public:
  using Table = std::map<Key, Value, std::less<>>;
  using value_type = typename Table::value_type;
  using const_iterator = typename Table::const_iterator;

  SharedMap() = default;
  SharedMap(std::initializer_list<value_type> values) : table_(std::make_shared<Table>(values)) {}

  const_iterator begin() const { return table().begin(); }
  const_iterator end() const { return table().end(); }
  template <class K>
  const_iterator find(const K& key) const {
    return table().find(key);
  }
  template <class K>
  bool contains(const K& key) const {
    return table().find(key) != table().end();
  }
  const Value& at(const Key& key) const { return table().at(key); }
  std::size_t size() const { return table().size(); }
  bool empty() const { return table().empty(); }

  Value& operator[](const Key& key) { return own()[key]; }
  template <class K, class V>
  void insert_or_assign(K&& key, V&& value) {
    own().insert_or_assign(std::forward<K>(key), std::forward<V>(value));
  }
  template <class... Args>
  auto emplace(Args&&... args) {
    return own().emplace(std::forward<Args>(args)...);
  }
  std::size_t erase(const Key& key) { return contains(key) ? own().erase(key) : 0; }

  // The same object, not merely the same content.
  bool shares_with(const SharedMap& other) const { return table_ == other.table_; }

 private:
  static const Table& nothing() {
    static const Table empty;
    return empty;
  }
  const Table& table() const { return table_ ? *table_ : nothing(); }
  Table& own() {
    if (!table_)
      table_ = std::make_shared<Table>();
    else if (table_.use_count() > 1)
      table_ = std::make_shared<Table>(*table_);
    return *table_;
  }

  std::shared_ptr<Table> table_;
};

}  // namespace mesh
