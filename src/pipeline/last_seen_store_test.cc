#include "pipeline/last_seen_store.h"

#include <gtest/gtest.h>

#include "model/builtin.h"
#include "model/dataplane.h"
#include "model/mesh.h"
#include "model/secret.h"
#include "model/zone_proxy.h"
#include "snapshot/fold.h"
#include "store/memory/memory_store.h"

namespace mesh {
namespace {

// A store that can be cut off.
class FarStore final : public Store {
 public:
  Result<Revision> write(std::vector<Write> writes) override {
    return is_away ? away() : store.write(std::move(writes));
  }
  Result<Resource> get(const ResourceKey& key) const override { return is_away ? away() : store.get(key); }
  Result<Page> list(const Query& query) const override { return is_away ? away() : store.list(query); }
  Result<ChangeBatch> wait_for_changes(Revision after, std::stop_token stop) override {
    return store.wait_for_changes(after, std::move(stop));
  }
  std::string id() const override { return store.id(); }

  MemoryStore store;
  bool is_away = false;

 private:
  static Error away() { return error(ErrorKind::Unavailable, "the database is away"); }
};

Write put(ResourceKey key, AnySpec spec) {
  Write write;
  write.resource.key = std::move(key);
  write.resource.spec = std::move(spec);
  return write;
}

const ResourceKey kProd{&kMeshKind, {}, "prod"}, kWeb{&kDataplaneKind, "prod", "web-1"},
    kSigningKey{&kSecretKind, "prod", "key"}, kZoneKey{&kGlobalSecretKind, {}, "zone-key"},
    kIngress{&kZoneIngressKind, {}, "in-1"};

class LastSeenStoreTest : public testing::Test {
 protected:
  LastSeenStoreTest() {
    std::vector<Write> writes;
    writes.push_back(put(kProd, AnySpec::of(Mesh{})));
    writes.push_back(put(kWeb, AnySpec::of(Dataplane{})));
    writes.push_back(put(kSigningKey, AnySpec::of(SecretData{})));
    writes.push_back(put(kZoneKey, AnySpec::of(SecretData{})));
    writes.push_back(put(kIngress, AnySpec::of(ZoneIngress{})));
    EXPECT_TRUE(far.write(std::move(writes)));
    FoldInput input;
    ChangeBatch batch = far.wait_for_changes(0, {}).value();
    for (Change& change : batch.changes) {
      const ResourceKey key = change.resource.key;
      input.resources.push_back({key, std::make_shared<const Resource>(std::move(change.resource))});
    }
    picture = fold({}, input).snapshot;
  }
  ErrorKind why_not(const ResourceKey& key) const { return store.get(key).error().kind; }

  FarStore far;
  std::shared_ptr<const Snapshot> picture;
  LastSeenStore store{far, [this] { return picture; }};
};

TEST_F(LastSeenStoreTest, KnowsWhatItHasSeenWhileTheDatabaseIsAway) {
  EXPECT_TRUE(store.get(kZoneKey)) << "asked for before";
  far.is_away = true;
  for (const ResourceKey& key : {kProd, kWeb, kSigningKey, kZoneKey, kIngress})
    EXPECT_TRUE(store.get(key)) << key.to_string();
}

TEST_F(LastSeenStoreTest, KnowsWhichSecretsAreNotThereAndGuessesNothingElse) {
  EXPECT_EQ(why_not({&kGlobalSecretKind, {}, "revoked"}), ErrorKind::NotFound);
  far.is_away = true;
  EXPECT_EQ(why_not({&kSecretKind, "prod", "revoked"}), ErrorKind::NotFound);
  EXPECT_EQ(why_not({&kGlobalSecretKind, {}, "revoked"}), ErrorKind::NotFound) << "asked for before";
  EXPECT_EQ(why_not({&kGlobalSecretKind, {}, "another"}), ErrorKind::Unavailable);
  EXPECT_EQ(why_not({&kSecretKind, "elsewhere", "revoked"}), ErrorKind::Unavailable);
  EXPECT_EQ(why_not({&kDataplaneKind, "prod", "web-2"}), ErrorKind::Unavailable)
      << "another instance may have let it in";
}

TEST_F(LastSeenStoreTest, BelievesTheDatabaseWhenItAnswersAndWritesNowhereElse) {
  Write gone{.op = Write::Op::Delete, .resource = {}, .expect = {}};
  gone.resource.key = kWeb;
  EXPECT_TRUE(far.write({gone}));
  EXPECT_EQ(why_not(kWeb), ErrorKind::NotFound);
  far.is_away = true;
  EXPECT_EQ(store.write({put(kWeb, AnySpec::of(Dataplane{}))}).error().kind, ErrorKind::Unavailable);
}

}  // namespace
}  // namespace mesh
