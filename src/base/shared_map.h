// Ordered maps and sets whose copies share what they have in common: a copy costs nothing, a write to one of a million
// entries makes some twenty nodes anew, and nobody else's copy sees it. For pictures that are handed on from version to
// version, where a version must not cost what the whole of it holds.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <unordered_set>
#include <utility>

namespace mesh {

// A balanced (AVL) tree of immutable nodes; a write copies the path from the root to its place. Any number of threads
// may read the same tree, and copies of it. `KeyOf` gives the key of an entry.
template <class Entry, class KeyOf>
class SharedTree {
  struct Node;
  using Link = std::shared_ptr<const Node>;
  using SharedEntry = std::shared_ptr<const Entry>;
  struct Node {
    SharedEntry entry;  // on its own, so that a copied node does not copy it
    Link left, right;
    int height = 1;  // of the subtree
  };
  static constexpr std::size_t kHighest = 48;  // of a tree of more entries than memory holds

 public:
  using value_type = Entry;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = const Entry&;
  using const_reference = const Entry&;

  // In the order of the keys. Valid as long as the tree that it came from, or a copy, holds the entries.
  class const_iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = Entry;
    using difference_type = std::ptrdiff_t;
    using pointer = const Entry*;
    using reference = const Entry&;

    const_iterator() = default;
    const_iterator(const const_iterator& other) { *this = other; }
    const_iterator& operator=(const const_iterator& other) {
      depth_ = other.depth_;
      std::copy_n(other.path_.begin(), depth_, path_.begin());
      return *this;
    }

    reference operator*() const { return *path_[depth_ - 1]->entry; }
    pointer operator->() const { return path_[depth_ - 1]->entry.get(); }
    const_iterator& operator++() {
      const Node* right = path_[--depth_]->right.get();
      descend(right);
      return *this;
    }
    const_iterator operator++(int) {
      const_iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const const_iterator& a, const const_iterator& b) { return a.top() == b.top(); }

   private:
    friend class SharedTree;
    void push(const Node* node) { path_[depth_++] = node; }
    void descend(const Node* node) {
      for (; node != nullptr; node = node->left.get()) push(node);
    }
    const Node* top() const { return depth_ == 0 ? nullptr : path_[depth_ - 1]; }

    // The node itself is the last; before it those that come after it, nearest last.
    std::array<const Node*, kHighest> path_;
    std::size_t depth_ = 0;
  };
  using iterator = const_iterator;

  const_iterator begin() const {
    const_iterator out;
    out.descend(root_.get());
    return out;
  }
  const_iterator end() const { return {}; }

  template <class K>
  const_iterator find(const K& key) const {
    const_iterator out;
    for (const Node* node = root_.get(); node != nullptr;) {
      if (is_less(key, key_of(node))) {
        out.push(node);
        node = node->left.get();
      } else if (is_less(key_of(node), key)) {
        node = node->right.get();
      } else {
        out.push(node);
        return out;
      }
    }
    return {};
  }

  template <class K>
  bool contains(const K& key) const {
    return lookup(key) != nullptr;
  }
  std::size_t count(const auto& key) const { return contains(key) ? 1 : 0; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void clear() { *this = {}; }

  // Returns whether there was one.
  template <class K>
  std::size_t erase(const K& key) {
    if (!contains(key)) return 0;
    root_ = without(root_, key);
    --size_;
    return 1;
  }

  // The same object, not merely the same content.
  bool shares_with(const SharedTree& other) const { return root_ == other.root_; }
  // How many nodes had to be made to get from the other to this one.
  std::size_t nodes_not_in(const SharedTree& other) const {
    std::unordered_set<const Node*> known;
    collect(other.root_.get(), known);
    return count_unknown(root_.get(), known);
  }

 protected:
  template <class K>
  const Entry* lookup(const K& key) const {
    for (const Node* node = root_.get(); node != nullptr;) {
      if (is_less(key, key_of(node)))
        node = node->left.get();
      else if (is_less(key_of(node), key))
        node = node->right.get();
      else
        return node->entry.get();
    }
    return nullptr;
  }

  // Takes the place of one of the same key. Returns whether there was none.
  bool put(Entry entry) {
    auto shared = std::make_shared<const Entry>(std::move(entry));
    bool is_new = true;
    root_ = with(root_, shared, is_new);
    if (is_new) ++size_;
    return is_new;
  }

 private:
  static bool is_less(const auto& a, const auto& b) { return std::less<>()(a, b); }
  static const auto& key_of(const Entry& entry) { return KeyOf()(entry); }
  static const auto& key_of(const Node* node) { return KeyOf()(*node->entry); }
  static int height_of(const Link& link) { return link ? link->height : 0; }

  static Link make(SharedEntry entry, Link left, Link right) {
    const int height = 1 + std::max(height_of(left), height_of(right));
    return std::make_shared<const Node>(Node{std::move(entry), std::move(left), std::move(right), height});
  }

  // Of subtrees whose heights differ by two at most, as one insertion or removal leaves them.
  static Link join(const SharedEntry& entry, Link left, Link right) {
    const int lean = height_of(left) - height_of(right);
    if (lean > 1) {
      if (height_of(left->left) >= height_of(left->right))
        return make(left->entry, left->left, make(entry, left->right, std::move(right)));
      const Link& middle = left->right;
      return make(middle->entry, make(left->entry, left->left, middle->left),
                  make(entry, middle->right, std::move(right)));
    }
    if (lean < -1) {
      if (height_of(right->right) >= height_of(right->left))
        return make(right->entry, make(entry, std::move(left), right->left), right->right);
      const Link& middle = right->left;
      return make(middle->entry, make(entry, std::move(left), middle->left),
                  make(right->entry, middle->right, right->right));
    }
    return make(entry, std::move(left), std::move(right));
  }

  static Link with(const Link& node, SharedEntry& entry, bool& is_new) {
    if (!node) return make(std::move(entry), nullptr, nullptr);
    if (is_less(key_of(*entry), key_of(node.get())))
      return join(node->entry, with(node->left, entry, is_new), node->right);
    if (is_less(key_of(node.get()), key_of(*entry)))
      return join(node->entry, node->left, with(node->right, entry, is_new));
    is_new = false;
    return make(std::move(entry), node->left, node->right);
  }

  template <class K>
  static Link without(const Link& node, const K& key) {
    if (is_less(key, key_of(node.get()))) return join(node->entry, without(node->left, key), node->right);
    if (is_less(key_of(node.get()), key)) return join(node->entry, node->left, without(node->right, key));
    if (!node->left) return node->right;
    if (!node->right) return node->left;
    SharedEntry next;
    Link right = without_first(node->right, next);
    return join(next, node->left, std::move(right));
  }

  static Link without_first(const Link& node, SharedEntry& first) {
    if (node->left) return join(node->entry, without_first(node->left, first), node->right);
    first = node->entry;
    return node->right;
  }

  static void collect(const Node* node, std::unordered_set<const Node*>& out) {
    if (node == nullptr) return;
    out.insert(node);
    collect(node->left.get(), out);
    collect(node->right.get(), out);
  }
  static std::size_t count_unknown(const Node* node, const std::unordered_set<const Node*>& known) {
    if (node == nullptr || known.contains(node)) return 0;  // then all below it is known as well
    return 1 + count_unknown(node->left.get(), known) + count_unknown(node->right.get(), known);
  }

  Link root_;
  std::size_t size_ = 0;
};

struct FirstOfPair {
  const auto& operator()(const auto& entry) const { return entry.first; }
};

// Reads like a std::map. Values are replaced, never changed.
template <class Key, class Value>
class SharedMap : public SharedTree<std::pair<const Key, Value>, FirstOfPair> {
 public:
  using key_type = Key;
  using mapped_type = Value;
  using Pair = std::pair<const Key, Value>;

  SharedMap() = default;
  SharedMap(std::initializer_list<Pair> values) {
    for (const Pair& value : values) this->put(value);
  }

  // It must be there.
  template <class K>
  const Value& at(const K& key) const {
    const Pair* found = this->lookup(key);
    if (found == nullptr) std::abort();
    return found->second;
  }
  template <class K>
  const Value* get(const K& key) const {  // null: there is none
    const Pair* found = this->lookup(key);
    return found == nullptr ? nullptr : &found->second;
  }
  // Returns whether there was none.
  template <class K, class V>
  bool insert_or_assign(K&& key, V&& value) {
    return this->put(Pair(std::forward<K>(key), std::forward<V>(value)));
  }
};

// Reads like a std::set.
template <class Key>
class SharedSet : public SharedTree<Key, std::identity> {
 public:
  SharedSet() = default;
  SharedSet(std::initializer_list<Key> values) {
    for (const Key& value : values) insert(value);
  }
  // Returns whether it was not there. What is there stays the same object.
  bool insert(Key key) { return !this->contains(key) && this->put(std::move(key)); }
};

}  // namespace mesh
