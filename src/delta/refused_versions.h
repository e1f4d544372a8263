// What a peer refused of one type, so that it is not sent again as it is.
//
// A push of one resource that is refused convicts it. Of a push of several it is not known which one was wrong: all are
// under suspicion and held back, and get another chance together as soon as one of them has changed or gone.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace mesh {

class RefusedVersions {
 public:
  using Entry = std::pair<std::string, std::string>;  // name, version (empty: its removal)

  void add(const std::vector<Entry>& push);
  bool contains(const std::string& name, const std::string& version) const;
  // Tells what should be sent now, in the order of names: lifts a suspicion that no longer stands.
  void review(const std::vector<Entry>& due);
  bool empty() const { return convicted_.empty() && suspects_.empty(); }

 private:
  static constexpr std::size_t kMaxConvicted = 64;  // the oldest are forgotten

  std::deque<Entry> convicted_;
  std::vector<Entry> suspects_;  // sorted
};

}  // namespace mesh
