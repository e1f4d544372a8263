// Texts that wait to be sent, handed out piece by piece.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mesh::wire {

class OutputQueue {
 public:
  void add(std::string text) {
    if (!text.empty()) texts_.push_back(std::move(text));
  }

  bool empty() const { return texts_.empty(); }

  // Appends to `out` until that has `limit` bytes.
  void take(std::string& out, std::size_t limit) {
    std::size_t done = 0;
    while (done < texts_.size() && out.size() < limit) {
      std::string_view rest = std::string_view(texts_[done]).substr(used_);
      std::string_view part = rest.substr(0, limit - out.size());
      out.append(part);
      if (part.size() < rest.size()) {
        used_ += part.size();
        break;
      }
      used_ = 0;
      ++done;
    }
    texts_.erase(texts_.begin(), texts_.begin() + static_cast<std::ptrdiff_t>(done));
    if (texts_.empty()) texts_ = std::vector<std::string>();  // "= {}" would keep its memory
  }

 private:
  std::vector<std::string> texts_;
  std::size_t used_ = 0;  // of the first one
};

}  // namespace mesh::wire
