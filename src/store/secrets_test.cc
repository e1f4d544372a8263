#include "store/secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/mesh.h"
#include "model/secret.h"
#include "store/contents.h"

namespace mesh {
namespace {

using testing::ElementsAre;

// Only what these tests need of a store.
class StoreOfContents final : public Store {
 public:
  Result<Revision> write(std::vector<Write> writes) override {
    Draft draft(contents_);
    MESH_TRY(const Revision revision, draft.stage(std::move(writes)));
    contents_.commit(draft);
    return revision;
  }
  Result<Resource> get(const ResourceKey& key) const override { return contents_.get(key); }
  Result<Page> list(const Query& query) const override { return contents_.list(query); }
  Result<ChangeBatch> wait_for_changes(Revision after, std::stop_token stop) override {
    return contents_.wait_for_changes(after, stop);
  }
  std::string id() const override { return "id"; }

 private:
  Contents contents_;
};

class StoreSecretsTest : public testing::Test {
 protected:
  StoreSecretsTest() {
    Resource mesh;
    mesh.key = {&kMeshKind, "", "prod"};
    mesh.spec = AnySpec::of(Mesh{});
    put(mesh);
  }
  void put(Resource resource) {
    std::vector<Write> writes(1);
    writes[0].resource = std::move(resource);
    store.write(std::move(writes)).value();
  }

  StoreOfContents store;
  StoreSecrets secrets{store};
};

TEST_F(StoreSecretsTest, AreFoundDecodedInTheirMeshOrAmongTheGlobalOnes) {
  put(secret_resource("prod", "key", Secret("of prod")));
  put(secret_resource("", "key", Secret(std::string("global\0binary", 13))));
  EXPECT_EQ(secrets.find_secret("prod", "key").value().reveal(), "of prod");
  EXPECT_EQ(secrets.find_secret("", "key").value().reveal(), std::string("global\0binary", 13));
  EXPECT_EQ(secrets.find_secret("test", "key").error().kind, ErrorKind::NotFound);
}

TEST_F(StoreSecretsTest, AreListedByTheBeginningOfTheirNames) {
  for (const char* name : {"key-2", "key-1", "my-key-3", "keys"}) put(secret_resource("prod", name, Secret("x")));
  put(secret_resource("", "key-9", Secret("x")));
  EXPECT_THAT(secrets.list_secrets("prod", "key-").value(), ElementsAre("key-1", "key-2"));
}

TEST_F(StoreSecretsTest, ThatAreNotBase64AreInvalid) {
  Resource resource = secret_resource("", "bad", Secret("x"));
  resource.spec = AnySpec::of(SecretData{.data = "***"});
  put(resource);
  EXPECT_EQ(secrets.find_secret("", "bad").error().kind, ErrorKind::Invalid);
}

}  // namespace
}  // namespace mesh
