# The floor plan's one verb: mesh_room(ads USES base wire envoy delta) declares a room.
#
# A room is a folder under src/. It becomes the library mesh::<room> (with "/" as "_"), made of its *.cc files; its
# *_test.cc files become one test program <room>_test. A room may use only rooms that are declared before it, so that
# no cycle can be written; tools/check_includes.py holds every #include to the same list.
#
#   mesh_room(<room> [THREADS] [USES <room>…] [LINKS <target>…] [TEST_USES <room>…])
#
# THREADS: something in it runs on several threads at once; its tests run under ThreadSanitizer too.
# Not so config, ads and dpserver: Debian's protobuf lays messages out differently under it, and crashes.

set(MESH_ROOM_LIST "" CACHE INTERNAL "rooms in the order of the floor plan")

function(mesh_room room)
  cmake_parse_arguments(arg "THREADS" "" "USES;LINKS;TEST_USES;TEST_LINKS" ${ARGN})
  string(REPLACE "/" "_" name "${room}")
  foreach(used IN LISTS arg_USES)
    string(REPLACE "/" "_" used_name "${used}")
    if(NOT TARGET mesh_${used_name})
      message(FATAL_ERROR "room '${room}' uses '${used}', which is not declared above it")
    endif()
  endforeach()

  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${room}/*.cc")
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")

  if(sources)
    add_library(mesh_${name} STATIC ${sources})
    set(visibility PUBLIC)
    target_link_libraries(mesh_${name} PRIVATE mesh_options)
  else()
    add_library(mesh_${name} INTERFACE)
    set(visibility INTERFACE)
  endif()
  add_library(mesh::${name} ALIAS mesh_${name})
  target_include_directories(mesh_${name} ${visibility} "${CMAKE_SOURCE_DIR}/src")
  foreach(used IN LISTS arg_USES)
    string(REPLACE "/" "_" used_name "${used}")
    target_link_libraries(mesh_${name} ${visibility} mesh::${used_name})
  endforeach()
  target_link_libraries(mesh_${name} ${visibility} ${arg_LINKS})

  if(tests AND MESH_TESTS)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE mesh_options mesh::${name} ${arg_TEST_LINKS} GTest::gmock GTest::gtest_main)
    foreach(used IN LISTS arg_TEST_USES)
      string(REPLACE "/" "_" used_name "${used}")
      target_link_libraries(${name}_test PRIVATE mesh::${used_name})
    endforeach()
    target_compile_definitions(${name}_test PRIVATE MESH_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    add_test(NAME unit/${room} COMMAND ${name}_test)
    set(labels unit)
    if(arg_THREADS)
      list(APPEND labels threads)
      set_property(GLOBAL APPEND PROPERTY MESH_THREAD_TEST_PROGRAMS ${name}_test)
    endif()
    set_tests_properties(unit/${room} PROPERTIES TIMEOUT 300 LABELS "${labels}")
    set_property(GLOBAL APPEND PROPERTY MESH_TEST_PROGRAMS ${name}_test)
  endif()

  string(REPLACE ";" " " uses "${arg_USES}")
  set(MESH_ROOM_LIST ${MESH_ROOM_LIST} "${room}: ${uses}" CACHE INTERNAL "")
endfunction()
