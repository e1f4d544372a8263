#include "controllers/route53_controller.h"

#include <gmock/gmock.h>

#include "model/mesh.h"
#include "model/service.h"
#include "naming/route53/fake_route53.h"
#include "store/memory/memory_store.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// A control plane's Route 53 with its threads. The times are real, and nothing looks at how long things take.
struct House {
  MemoryStore store;
  route53::test::FakeRoute53 aws;
  std::mutex mutex;
  std::condition_variable asked;
  std::vector<std::move_only_function<void()>> waiting;  // for listeners
  std::unique_ptr<Route53Controller> controller;

  House() {
    aws.add_zone("Z1", "mesh.local.");
    aws.is_in_sync_at_once = true;
    put({&kMeshKind, {}, "default"}, AnySpec::of(Mesh()));
    HostnameGenerator generator;
    generator.template_ = "{{ .DisplayName }}.svc.mesh.local";
    generator.extension = Extension{kRoute53Extension, {{"hostedZoneId", "Z1"}}};
    put({&kHostnameGeneratorKind, {}, "route53"}, AnySpec::of(std::move(generator)));
  }
  void start() {
    Route53PublisherSettings publisher;
    publisher.writer = {"default", "store-1", "cp-1", 0};
    publisher.zone_id = "Z1";
    publisher.domain = "mesh.local.";
    publisher.call_pause = 1ms;
    publisher.timing.settle = 0s;
    controller = std::make_unique<Route53Controller>(
        Route53NamesSettings{"default", "Z1", "mesh.local"}, publisher,
        Route53Controller::Needs{aws, store, real_clock(), [] { return true; }, [] { return 1; },
                                 [this](const std::string& mesh, Revision, std::move_only_function<void()> done) {
                                   EXPECT_EQ(mesh, "default");
                                   std::lock_guard lock(mutex);
                                   waiting.push_back(std::move(done));
                                   asked.notify_all();
                                 }});
    controller->start();
  }
  void put(ResourceKey key, AnySpec spec, AnySpec status = {}) {
    Write write;
    write.resource.key = std::move(key);
    write.resource.spec = std::move(spec);
    write.resource.status = std::move(status);
    ASSERT_TRUE(store.write({std::move(write)}));
  }
  void put_service(const std::string& name, const std::string& address) {
    MeshServiceStatus status;
    status.vips = {Vip{address}};
    status.addresses = {{name + ".svc.mesh.local", "HostnameGenerator", {"route53"}}};
    status.hostname_generators = {{{"route53"}, {{kGeneratedCondition, "True", "Generated", "", {}}}}};
    put({&kMeshServiceKind, "default", name}, AnySpec::of(MeshService()), AnySpec::of(std::move(status)));
  }
  // Blocks until the service says that; the test's own time limit ends what never comes.
  Condition wait_until_published(const std::string& name) {
    Revision after = 0;
    while (true) {
      const auto service = store.get({&kMeshServiceKind, "default", name});
      for (const auto& generator : generators_of(*service))
        for (const auto& one : generator.conditions)
          if (one.type == kPublishedCondition) return one;
      after = store.wait_for_changes(after, {})->upto;
    }
  }
  // Blocks until listeners are asked for; what it gives says that they are there.
  std::move_only_function<void()> asked_for_listeners() {
    std::unique_lock lock(mutex);
    asked.wait(lock, [this] { return !waiting.empty(); });
    return std::move(waiting.front());
  }
};

TEST(Route53Controller, PublishesWhatTheStoreHoldsAndSaysSoThere) {
  House house;
  house.put_service("kv", "127.4.0.1");
  house.start();
  const Condition condition = house.wait_until_published("kv");
  EXPECT_EQ(condition.status, "True");
  EXPECT_THAT(condition.message, HasSubstr("kv.svc.mesh.local leads to 127.4.0.1"));
  house.controller->stop();
  EXPECT_EQ(house.aws.address("Z1", "kv.svc.mesh.local."), "127.4.0.1");
  EXPECT_EQ(house.controller->figures().zones.at("Z1").owned, 1U);
}

TEST(Route53Controller, PublishesANewNameWhenProxiesListen) {
  House house;
  house.put_service("kv", "127.4.0.1");
  house.start();
  house.wait_until_published("kv");
  house.put_service("web", "127.4.0.2");
  auto they_listen = house.asked_for_listeners();
  EXPECT_EQ(house.controller->figures().zones.at("Z1").owned, 1U);
  they_listen();
  EXPECT_EQ(house.wait_until_published("web").status, "True");
}

TEST(Route53Controller, WritesWhatAwsSaysAgainstAName) {
  House house;
  house.aws.put("Z1", {.name = "kv.svc.mesh.local.",
                       .type = "A",
                       .set_identifier = {},
                       .weight = {},
                       .ttl = 60,
                       .values = {"10.0.0.1"}});
  house.put_service("kv", "127.4.0.1");
  house.start();
  const Condition condition = house.wait_until_published("kv");
  EXPECT_EQ(condition.status + " " + condition.reason, "False Conflict");
  house.controller->stop();
  EXPECT_EQ(house.aws.address("Z1", "kv.svc.mesh.local."), "10.0.0.1");
}

}  // namespace
}  // namespace mesh
