#include "controllers/service_names.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/dataplane.h"
#include "store/memory/memory_store.h"

namespace mesh {
namespace {

NamingSettings settings() {
  const auto range = [](const char* text) { return AddressRange::parse(text).value(); };
  NamingSettings out;
  out.ranges = {range("127.1.0.0/16"), range("127.4.0.0/16"), range("127.3.0.0/16"), range("127.2.0.0/16")};
  return out;
}

void put(Store& store, ResourceKey key, AnySpec spec) {
  Write write;
  write.resource.key = std::move(key);
  write.resource.spec = std::move(spec);
  ASSERT_TRUE(store.write({std::move(write)}));
}
void put_mesh(Store& store) {
  Mesh mesh;
  mesh.mesh_services = MeshServices{MeshServicesMode::Exclusive};
  put(store, {&kMeshKind, {}, "default"}, AnySpec::of(mesh));
}
void put_dataplane(Store& store, const std::string& name, const std::string& service) {
  Dataplane dataplane;
  dataplane.networking.address = "10.0.0.1";
  dataplane.networking.inbound.emplace_back().port = 8080;
  dataplane.networking.inbound.back().tags[kServiceTag] = service;
  put(store, {&kDataplaneKind, "default", name}, AnySpec::of(dataplane));
}

// Blocks until the store holds the service with an address; the test's own time limit ends what never comes.
std::string wait_for_address(Store& store, const std::string& service) {
  const ResourceKey key{&kMeshServiceKind, "default", service};
  Revision after = 0;
  while (true) {
    const Result<Resource> found = store.get(key);
    if (found && !vip_of(*found).empty()) return vip_of(*found);
    const Result<ChangeBatch> batch = store.wait_for_changes(after, {});
    after = batch->upto;
  }
}

TEST(ServiceNames, ADataplaneInTheStoreBecomesAServiceWithAnAddress) {
  MemoryStore store;
  put_mesh(store);
  ServiceNames names(settings(), store, real_clock(), [] { return true; });
  names.start();
  put_dataplane(store, "kv-1", "kv");
  EXPECT_EQ(wait_for_address(store, "kv"), "127.4.0.0");
  put_dataplane(store, "web-1", "web");
  EXPECT_EQ(wait_for_address(store, "web"), "127.4.0.1");
}

TEST(ServiceNames, WhoTakesOverGoesOnWithTheSameAddresses) {
  MemoryStore store;
  put_mesh(store);
  put_dataplane(store, "kv-1", "kv");
  std::atomic<bool> leads{false};
  ServiceNames second(settings(), store, real_clock(), [&] { return leads.load(); });
  second.start();
  {
    ServiceNames first(settings(), store, real_clock(), [] { return true; });
    first.start();
    EXPECT_EQ(wait_for_address(store, "kv"), "127.4.0.0");
  }
  leads = true;
  second.on_leader_changed();
  put_dataplane(store, "web-1", "web");
  EXPECT_EQ(wait_for_address(store, "web"), "127.4.0.1");
  EXPECT_EQ(wait_for_address(store, "kv"), "127.4.0.0");
}

// Refuses every transaction with more than one write, as if somebody had changed one of them.
class Picky final : public Store {
 public:
  explicit Picky(Store& store) : store_(store) {}
  Result<Revision> write(std::vector<Write> writes) override {
    if (writes.size() > 1) return error(ErrorKind::Conflict, "one of them is not as it was");
    return store_.write(std::move(writes));
  }
  Result<Resource> get(const ResourceKey& key) const override { return store_.get(key); }
  Result<Page> list(const Query& query) const override { return store_.list(query); }
  Result<ChangeBatch> wait_for_changes(Revision after, std::stop_token stop) override {
    return store_.wait_for_changes(after, std::move(stop));
  }
  std::string id() const override { return store_.id(); }

 private:
  Store& store_;
};

TEST(ServiceNames, WhatIsInTheWayOfOneWriteHoldsUpNoOther) {
  MemoryStore store;
  Picky picky(store);
  put_mesh(store);
  for (int i = 0; i < 20; ++i) put_dataplane(store, fmt::format("d{}", i), fmt::format("s{}", i));
  ServiceNames names(settings(), picky, real_clock(), [] { return true; });
  names.start();
  for (int i = 0; i < 20; ++i)
    EXPECT_THAT(wait_for_address(store, fmt::format("s{}", i)), testing::StartsWith("127.4.0."));
}

}  // namespace
}  // namespace mesh
