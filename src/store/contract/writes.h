// Short words for what tests of stores write and read.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "store/contract/test_kinds.h"
#include "store/store.h"

namespace mesh::contract {

inline Write put(Resource resource, Expect expect = {}, std::optional<ResourceKey> owner = {}) {
  return {Write::Op::Put, std::move(resource), expect, std::move(owner)};
}
inline Write put(ResourceKey key, std::string color = "red") {
  return put(make_resource(std::move(key), {.color = std::move(color), .extra = nullptr}));
}
inline Write erase(ResourceKey key, Expect expect = {}) {
  Write write{Write::Op::Delete, {}, expect, {}};
  write.resource.key = std::move(key);
  return write;
}
inline std::vector<Write> only(Write write) {
  std::vector<Write> writes;
  writes.push_back(std::move(write));
  return writes;
}

inline std::vector<std::string> names(const std::vector<Resource>& resources) {
  std::vector<std::string> out;
  for (const Resource& resource : resources) out.push_back(resource.key.name);
  return out;
}
// "+name" for each Put and "-name" for each Delete.
inline std::vector<std::string> steps(const ChangeBatch& batch) {
  std::vector<std::string> out;
  for (const Change& change : batch.changes)
    out.push_back((change.op == Change::Op::Put ? "+" : "-") + change.resource.key.name);
  return out;
}

// Folds batches as a reader of the feed does.
struct Picture {
  Revision upto = 0;
  std::map<std::string, std::string> colors;

  void fold(const ChangeBatch& batch) {
    if (batch.from_start) colors.clear();
    Revision last = batch.from_start ? 0 : upto;
    for (const Change& change : batch.changes) {
      EXPECT_GT(change.resource.revision, last) << "changes are in commit order";
      last = change.resource.revision;
      if (change.op == Change::Op::Put)
        colors[change.resource.key.to_string()] = change.resource.spec_as<TestSpec>().color;
      else
        colors.erase(change.resource.key.to_string());
    }
    EXPECT_GE(batch.upto, last);
    upto = batch.upto;
  }
};

}  // namespace mesh::contract
