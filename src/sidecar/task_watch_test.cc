#include "sidecar/task_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(TaskWatchTest, WhatIsNoMetadataIsRefusedInWords) {
  EXPECT_FALSE(read_task("<html>", "me"));
  EXPECT_FALSE(read_task("[]", "me"));
  EXPECT_TRUE(read_task(R"({"Containers":17,"DesiredStatus":{}})", "me")) << "odd, but an object";
  EXPECT_EQ(*read_own_container_id(R"({"DockerId":"abc"})"), "abc");
}

}  // namespace
}  // namespace mesh::sidecar
