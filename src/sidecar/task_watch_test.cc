#include "sidecar/task_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <optional>

#include "base/mailbox.h"
#include "wire/server.h"

namespace mesh::sidecar {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

ProxyResource resource_with(std::string inbound) {
  return {.json = R"({"networking":{"address":"10.0.2.7","inbound":[)" + inbound + "]}}",
          .mesh = "default",
          .name = "kv-1"};
}

TEST(TaskWatchTest, AnApplicationOnLoopbackIsWhereItsInboundLeads) {
  const auto apps = app_ports_of(resource_with(R"({"port":8080,"servicePort":5050,"serviceAddress":"127.0.0.1"})"));
  ASSERT_EQ(apps.size(), 1u);
  EXPECT_EQ(apps[0].inbound_port, 8080u);
  EXPECT_EQ(apps[0].app, (SocketAddress{"127.0.0.1", 5050}));
}

TEST(TaskWatchTest, WithoutAnAddressTheApplicationIsAtThatOfTheTask) {
  const auto apps = app_ports_of(resource_with(R"({"port":8080,"servicePort":5050})"));
  ASSERT_EQ(apps.size(), 1u);
  EXPECT_EQ(apps[0].app, (SocketAddress{"10.0.2.7", 5050}));
}

TEST(TaskWatchTest, WhereEnvoyItselfListensNothingIsLearntAboutTheApplication) {
  EXPECT_THAT(app_ports_of(resource_with(R"({"port":8080})")), IsEmpty());
  EXPECT_THAT(app_ports_of({.json = "", .mesh = "default", .name = "known already"}), IsEmpty());
}

TEST(TaskWatchTest, TheTaskIsToStopWhenEcsWantsItStopped) {
  EXPECT_TRUE(read_task(R"({"DesiredStatus":"STOPPED","KnownStatus":"RUNNING"})", "me")->stopping);
  EXPECT_FALSE(read_task(R"({"DesiredStatus":"RUNNING","KnownStatus":"RUNNING"})", "me")->stopping);
}

TEST(TaskWatchTest, OtherContainersCountWhileTheyRunAndHaveAHealthCheck) {
  const auto view = read_task(R"({"DesiredStatus":"RUNNING","Containers":[
      {"DockerId":"me","Name":"sidecar","KnownStatus":"RUNNING","Health":{"status":"UNHEALTHY"}},
      {"DockerId":"a","Name":"app","KnownStatus":"RUNNING","Health":{"status":"UNKNOWN"}},
      {"DockerId":"b","Name":"good","KnownStatus":"RUNNING","Health":{"status":"HEALTHY"}},
      {"DockerId":"c","Name":"unchecked","KnownStatus":"RUNNING"},
      {"DockerId":"d","Name":"init","KnownStatus":"STOPPED","Health":{"status":"UNHEALTHY"}}]})",
                              "me");
  ASSERT_TRUE(view);
  EXPECT_THAT(view->unhealthy, ElementsAre("app"));
}

// A task with one application, as ECS tells of it, and what the watch says.
class Watched {
 public:
  Watched() {
    app_ = listen([](const wire::Request&, wire::Respond respond) { respond({}); });
    metadata_ = listen([this](const wire::Request& request, wire::Respond respond) {
      wire::Response answer;
      answer.status = metadata_status.load();
      const std::string task =
          R"({"DesiredStatus":"RUNNING","Containers":[{"DockerId":"a","Name":"app","Health":{"status":")";
      answer.body =
          request.path == "/v4" ? R"({"DockerId":"me"})" : task + (is_healthy ? "HEALTHY" : "UNKNOWN") + "\"}}]}";
      respond(std::move(answer));
    });
    on_strand([this] {
      TaskWatchEvents events{.on_stopping = [] {},
                             .on_apps = [this](auto, std::string reason) { said_.put(std::move(reason)); }};
      watch_.emplace(loop_, strand_, "http://127.0.0.1:" + std::to_string(metadata_->port()) + "/v4",
                     std::vector<AppPort>{{8080, {"127.0.0.1", static_cast<std::uint32_t>(app_->port())}}},
                     std::move(events));
    });
  }
  ~Watched() {
    on_strand([this] { watch_.reset(); });
  }

  void start() {
    on_strand([this] { watch_->start(); });
  }
  std::string next() { return said_.take_one({}).value_or("the mailbox was closed"); }

  std::atomic<bool> is_healthy = false;
  std::atomic<int> metadata_status = 200;

 private:
  std::unique_ptr<wire::Server> listen(wire::Handler handler) {
    wire::ServerSettings settings;
    settings.address = "127.0.0.1";
    settings.port = 0;
    auto server = wire::Server::listen(loop_, settings, std::move(handler));
    EXPECT_TRUE(server);
    return std::move(*server);
  }
  void on_strand(std::function<void()> work) {
    std::promise<void> done;
    strand_.post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  wire::EventLoop loop_{1};
  wire::Strand strand_ = loop_.make_strand();
  Mailbox<std::string> said_;
  std::unique_ptr<wire::Server> app_, metadata_;
  std::optional<TaskWatch> watch_;
};

TEST(TaskWatchTest, AnApplicationThatListensIsGivenToNobodyBeforeEcsCallsItHealthy) {
  Watched task;
  task.start();
  EXPECT_EQ(task.next(), "not healthy: container app") << "it was never called available in between";
  task.is_healthy = true;
  EXPECT_EQ(task.next(), "");
}

TEST(TaskWatchTest, WithoutMetadataItCountsThatTheApplicationListens) {
  Watched task;
  task.metadata_status = 500;
  task.start();
  EXPECT_EQ(task.next(), "");
}

TEST(TaskWatchTest, WhatIsNoMetadataIsRefusedInWords) {
  EXPECT_FALSE(read_task("<html>", "me"));
  EXPECT_FALSE(read_task("[]", "me"));
  EXPECT_TRUE(read_task(R"({"Containers":17,"DesiredStatus":{}})", "me")) << "odd, but an object";
  EXPECT_EQ(*read_own_container_id(R"({"DockerId":"abc"})"), "abc");
}

}  // namespace
}  // namespace mesh::sidecar
