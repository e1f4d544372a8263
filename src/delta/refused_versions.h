// What a peer refused of one type, so that it is not sent again as it is.
//
// What the peer names in its refusal is convicted, and so is a resource that was pushed alone. Of a push of several of
// which none is named it is not known which one was wrong: all are under suspicion and held back, and get another
// chance together as soon as one of them has changed or gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mesh {

class RefusedVersions {
 public:
  using Entry = std::pair<std::string, std::string>;  // name, version (empty: its removal)

  // `push` is what was refused, in the order of names; `named` are those of them that the peer blames, may be none.
  void add(const std::vector<Entry>& push, const std::vector<Entry>& named = {});
  bool contains(const std::string& name, const std::string& version) const;
  bool is_convicted(const std::string& name, const std::string& version) const;
  // Tells what should be sent now, in the order of names: lifts a suspicion that no longer stands, and forgets
  // convictions of what is history when there are many.
  void review(const std::vector<Entry>& due);
  bool empty() const { return convicted_.empty() && suspects_.empty(); }

  // What is convicted, the longest ago first.
  std::vector<Entry> convicted() const;
  void pardon(const std::function<bool(const Entry&)>& which);

 private:
  static constexpr std::size_t kManyConvicted = 64;

  void convict(const Entry& entry);

  std::map<Entry, std::uint64_t> convicted_;  // and when: a count
  std::uint64_t count_ = 0;
  std::vector<Entry> suspects_;  // sorted
};

// Whether the text in which a peer says why it refused a push blames this resource. Envoy writes "<name>: <reason>" for
// each listener and cluster that it could not take, and takes the others.
bool blames(std::string_view reason, std::string_view name);

}  // namespace mesh
