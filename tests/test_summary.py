"""The table that summary prints."""

from tinynet import Sequential
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D


def test_summary_is_the_table_of_keras(capsys):
    model = Sequential([Conv2D(32, (5, 5), activation="relu", input_shape=(1, 28, 28)), MaxPooling2D((2, 2)),
                        Dropout(0.2), Flatten(), Dense(128, activation="relu"), Dense(10, activation="softmax")])
    assert model.summary() is None
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("  ") for line in lines if "(None" in line]
    assert [[cell.strip() for cell in row if cell.strip()] for row in rows] == [
        ["conv2d_1 (Conv2D)", "(None, 32, 24, 24)", "832"],
        ["max_pool2d_1 (MaxPool2D)", "(None, 32, 12, 12)", "0"],
        ["dropout_1 (Dropout)", "(None, 32, 12, 12)", "0"],
        ["flatten_1 (Flatten)", "(None, 4608)", "0"],
        ["dense_1 (Dense)", "(None, 128)", "589952"],
        ["dense_2 (Dense)", "(None, 10)", "1290"],
    ]
    assert [line.split() for line in lines if line.startswith("Layer")] == [
        ["Layer", "(type)", "Output", "Shape", "Param", "#"]]
    assert [line for line in lines if "params:" in line] == [
        "Total params: 592,074", "Trainable params: 592,074", "Non-trainable params: 0"]


def test_columns_are_aligned(capsys):
    Sequential([Dense(3, input_dim=4), Dense(2)]).summary()
    lines = capsys.readouterr().out.splitlines()
    header, *rows = [line for line in lines if line.startswith(("Layer", "dense"))]
    assert {row.index("(None") for row in rows} == {header.index("Output")}
    assert rows[0].index("15") == rows[1].index("8") == header.index("Param")


def test_frozen_parameters_are_counted_apart(capsys):
    Sequential([Dense(3, input_dim=4, trainable=False), Dense(2)]).summary()
    out = capsys.readouterr().out
    assert "Total params: 23\nTrainable params: 8\nNon-trainable params: 15\n" in out


def test_a_model_that_is_not_built_has_a_summary_too(capsys):
    Sequential([Dense(3), Dense(2)]).summary()
    out = capsys.readouterr().out
    assert out.count("?") == out.count("0 (unbuilt)") == 2
    assert "Total params: 0" in out


def test_lines_can_go_elsewhere_and_be_longer(capsys):
    printed = []
    Sequential([Dense(3, input_dim=4)], name="little").summary(line_length=100, print_fn=printed.append)
    assert capsys.readouterr().out == ""
    text = "\n".join(printed)
    assert 'Model: "little"' in text
    assert "_" * 100 in text
